//! Lists: what every list takes in its query, and how a page is answered.

use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::extract::Json;
use crate::http::app::App;
use crate::kernel::db::page::{PageRequest, Paging, Rows};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::ids_in_one_case;
use crate::kernel::names::{self, MAX_KEY};
use crate::openapi::SORT_FIELDS;

/// The most bytes that the items of a page make; with the cursor and the braces, a page has at most
/// 1 MiB.
const MAX_ITEMS: usize = (1 << 20) - (4 << 10);

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; null on the last one.
    #[schema(example = "q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoANib2I")]
    pub next_cursor: Option<String>,
    /// How many there are in all, with `?count=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 120)]
    pub total: Option<i64>,
}

/// A page, with the `Link` to the next one (RFC 8288). Its items are written: how many fit into it
/// is known once they are.
#[derive(Debug)]
pub struct PageAnswer<T> {
    page: Result<Page<Box<RawValue>>>,
    link: Option<String>,
    of: PhantomData<fn() -> T>,
}

impl<T> IntoResponse for PageAnswer<T> {
    fn into_response(self) -> Response {
        let link = self.link.and_then(|link| HeaderValue::from_str(&link).ok());
        let mut response = self.page.map(Json).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(LINK, link);
        }
        response
    }
}

impl<T> PageAnswer<T> {
    fn refused(error: serde_json::Error) -> Self {
        Self { page: Err(Error::internal(error)), link: None, of: PhantomData }
    }
}

/// Opens and seals cursors; knows the path and the query that the list was asked with.
#[derive(Debug, Clone)]
pub struct Lister {
    app: App,
    path: String,
    query: Vec<(String, String)>,
}

impl<S: Sync> FromRequestParts<S> for Lister
where
    App: FromRef<S>,
{
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
        Ok(Self { app: App::from_ref(state), path: ids_in_one_case(parts.uri.path()), query })
    }
}

impl Lister {
    /// What the list was asked for. The cursor is bound to the path and to the filters.
    pub fn paging(&self, sorts: &[&str], asked: PageRequest<'_>) -> Result<Paging> {
        let free = ["limit", "cursor", "sort", "count", "lang", "dryRun"];
        let filters: Vec<_> =
            self.query.iter().filter(|(name, _)| !free.contains(&name.as_str())).collect();
        Paging::parse(&self.app.keys(), &format!("{} {filters:?}", self.path), sorts, asked)
    }

    /// The page of the rows that were found: as many as fit, and one at least.
    pub fn answer<T: Serialize, R: Into<T>>(
        &self,
        paging: &Paging,
        rows: Rows<R>,
    ) -> PageAnswer<T> {
        let (mut items, mut last, mut more, mut bytes) =
            (Vec::with_capacity(rows.rows.len()), None, rows.more, 0);
        for (row, position) in rows.rows {
            let item: T = row.into();
            let item = match to_raw_value(&item) {
                Ok(item) => item,
                Err(error) => return PageAnswer::refused(error),
            };
            bytes += item.get().len() + 1;
            if bytes > MAX_ITEMS && !items.is_empty() {
                more = true;
                break;
            }
            items.push(item);
            last = Some(position);
        }
        let next_cursor =
            last.filter(|_| more).map(|position| paging.seal(&self.app.keys(), &position));
        let link = next_cursor.as_ref().map(|cursor| {
            let kept = self.query.iter().filter(|(name, _)| name != "cursor" && name != "dryRun");
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(kept)
                .append_pair("cursor", cursor)
                .finish();
            format!("<{}?{query}>; rel=\"next\"", self.path)
        });
        let page = Page { items, next_cursor, total: rows.total };
        PageAnswer { page: Ok(page), link, of: PhantomData }
    }
}

/// The text that a list is searched for (`q`), as names are compared. One that is longer than a
/// name is part of none.
#[derive(Debug, Clone)]
pub struct Search(String);

impl Search {
    #[must_use]
    pub fn into_key(self) -> String {
        self.0
    }
}

impl<'de> Deserialize<'de> for Search {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let key = names::key(&String::deserialize(deserializer)?);
        Ok(Self(key.unwrap_or_else(|| "\u{10ffff}".repeat(MAX_KEY))))
    }
}

/// A list's `sort`, which takes the fields that the list can be sorted by.
#[must_use]
pub fn sort_schema(fields: &[&str]) -> Object {
    let plain = fields.iter().map(|field| field.trim_start_matches('-'));
    ObjectBuilder::new()
        .schema_type(Type::String)
        .examples(plain.take(1))
        .extensions(Some(Extensions::from_iter([(SORT_FIELDS, fields)])))
        .build()
}

/// Declares a list's query: by which fields it can be sorted, the first when nothing is asked (with
/// `-` for descending); the parameters that every list takes; and its own filters.
#[macro_export]
macro_rules! list_query {
    (
        $(#[$doc:meta])*
        $name:ident sorted by $($sort:literal),+ {
            $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
        #[serde(rename_all = "camelCase")]
        #[into_params(parameter_in = Query)]
        pub struct $name {
            /// How many items a page has, 1 to 200; 50 when left out.
            #[param(minimum = 1, maximum = 200, example = 50)]
            limit: Option<u16>,
            /// `nextCursor` of the page before.
            #[param(example = "q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoANib2I")]
            cursor: Option<String>,
            #[param(schema_with = Self::sort_schema)]
            sort: Option<String>,
            /// Whether to count all items into `total`.
            count: Option<bool>,
            $($(#[$field_doc])* $field: Option<$type>,)*
        }
        impl $name {
            const SORTS: &[&str] = &[$($sort),+];

            fn sort_schema() -> utoipa::openapi::Object {
                $crate::http::list::sort_schema(Self::SORTS)
            }

            fn paging(
                &self,
                lister: &$crate::http::list::Lister,
            ) -> $crate::kernel::error::Result<$crate::kernel::db::page::Paging> {
                let asked = $crate::kernel::db::page::PageRequest {
                    limit: self.limit,
                    cursor: self.cursor.as_deref(),
                    sort: self.sort.as_deref(),
                    count: self.count.unwrap_or(false),
                };
                lister.paging(Self::SORTS, asked)
            }
        }
    };
}
