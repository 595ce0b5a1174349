//! Shorthand for what most slices do: calls by one person in one mandate, and reading pages and
//! refusals.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::harness::app::{Answer, Call};
use crate::harness::world::{Person, Tenant};
use crate::harness::{TestApp, World};

/// Where one person works: their token, and the mandate (and instance) that they name.
#[derive(Clone)]
pub struct Desk<'a> {
    app: &'a TestApp,
    token: String,
    mandate: Option<Uuid>,
    instance: Option<Uuid>,
}

impl World {
    /// Somebody who names this tenant in the header.
    pub fn desk(&self, person: &Person, tenant: &Tenant) -> Desk<'_> {
        Desk {
            app: &self.app,
            token: person.token.clone(),
            mandate: Some(tenant.id),
            instance: None,
        }
    }
    /// Somebody who names no mandate.
    pub fn bare(&self, person: &Person) -> Desk<'_> {
        Desk { app: &self.app, token: person.token.clone(), mandate: None, instance: None }
    }
    /// The SysAdmin, naming no mandate.
    pub fn root(&self) -> Desk<'_> {
        self.bare(&self.sys_admin)
    }
    /// Acme's admin in Acme.
    pub fn admin(&self) -> Desk<'_> {
        self.desk(&self.acme.admin, &self.acme)
    }
}

impl<'a> Desk<'a> {
    /// Somebody at another node of the service.
    pub fn at(app: &'a TestApp, person: &Person, tenant: &Tenant) -> Self {
        Self { app, token: person.token.clone(), mandate: Some(tenant.id), instance: None }
    }
    /// The same, naming no mandate.
    pub fn anywhere(app: &'a TestApp, person: &Person) -> Self {
        Self { app, token: person.token.clone(), mandate: None, instance: None }
    }
    pub fn in_instance(&self, instance: Uuid) -> Self {
        Self { instance: Some(instance), ..self.clone() }
    }
    /// A request that is still to be completed.
    pub fn ask(&self, method: Method, path: impl Into<String>) -> Call<'a> {
        let mut call = self.app.call(method, path).bearer(&self.token);
        if let Some(mandate) = self.mandate {
            call = call.mandate(mandate);
        }
        if let Some(instance) = self.instance {
            call = call.instance(instance);
        }
        call
    }
    pub async fn get(&self, path: impl Into<String>) -> Answer {
        self.ask(Method::GET, path).send().await
    }
    pub async fn post(&self, path: impl Into<String>, body: Value) -> Answer {
        self.ask(Method::POST, path).json(body).send().await
    }
    pub async fn put(&self, path: impl Into<String>, body: Value) -> Answer {
        self.ask(Method::PUT, path).json(body).send().await
    }
    pub async fn patch(&self, path: impl Into<String>, body: Value) -> Answer {
        self.ask(Method::PATCH, path).json(body).send().await
    }
    pub async fn delete(&self, path: impl Into<String>) -> Answer {
        self.ask(Method::DELETE, path).send().await
    }

    /// Everything that a list shows, one row to a page: what `field` is in each. The total must
    /// agree.
    pub async fn walk(&self, path: &str, field: &str) -> BTreeSet<String> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        let total = loop {
            let page =
                self.get(format!("{path}{separator}limit=1&count=true{cursor}")).await.expect(200);
            found.extend(values(&page, field));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break page["total"].as_u64().unwrap(),
            }
        };
        assert_eq!(total, found.len() as u64, "the total of {path} is not what its pages show");
        let distinct: BTreeSet<_> = found.iter().cloned().collect();
        assert_eq!(distinct.len(), found.len(), "{path} shows a row twice");
        distinct
    }
}

/// The longest that a cursor may be, and a page.
const MAX_CURSOR: usize = 1_024;
const MAX_PAGE: usize = 1 << 20;

/// All items of a list in its order, page by page by the `Link`s; no row comes twice, and no cursor
/// and no page is too long.
pub async fn follow(start: String, get: impl AsyncFn(String) -> Answer) -> Vec<Value> {
    let (mut url, mut found, mut seen) = (start.clone(), Vec::new(), BTreeSet::new());
    loop {
        let answer = get(url.clone()).await;
        let link = answer.header("link").to_owned();
        let page = answer.expect(200);
        assert!(
            page.to_string().len() <= MAX_PAGE,
            "{start}: a page of {} bytes",
            page.to_string().len()
        );
        for item in page["items"].as_array().unwrap() {
            assert!(seen.insert(item.to_string()), "{start} shows a row twice: {item:.300}");
            found.push(item.clone());
        }
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        assert!(cursor.len() <= MAX_CURSOR, "{start}: a cursor of {} characters", cursor.len());
        assert!(!page["items"].as_array().unwrap().is_empty(), "{start}: a page that says nothing");
        link.strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .unwrap()
            .clone_into(&mut url);
        assert!(url.contains(cursor), "{url}");
    }
    found
}

/// Every row of every table, in a few letters: to show that what was refused changed nothing.
pub async fn everything(app: &TestApp) -> String {
    let each: String = sqlx::query_scalar(
        "select string_agg(format('select %L,
            md5(string_agg(t::text, chr(10) order by t::text)) from bailiwick.%1$I t', c.relname),
            ' union all ')
         from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'bailiwick'
           and c.relkind = 'r'",
    )
    .fetch_one(&app.sql)
    .await
    .unwrap();
    let statement = format!(
        "select string_agg(name || ' ' || digest, chr(10) order by name)
           from ({each}) tables (name, digest)"
    );
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&app.sql).await.unwrap()
}

/// A field of every item of a page, or of what a refusal lists.
#[track_caller]
pub fn values(page: &Value, field: &str) -> Vec<String> {
    let items = page["items"]
        .as_array()
        .or_else(|| page.as_array())
        .unwrap_or_else(|| panic!("not a list: {page}"));
    items
        .iter()
        .map(|item| item[field].as_str().unwrap_or_else(|| panic!("no {field}: {item}")).to_owned())
        .collect()
}

/// A set of strings, for comparing with what was found.
pub fn set<T: ToString>(items: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

/// The pointers of a 422, each with its code.
#[track_caller]
pub fn pointers(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.body);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(&error["pointer"]), text(&error["code"])))
        .collect()
}

/// Asserts a 422 that points at one field.
#[track_caller]
pub fn points_at(answer: &Answer, pointer: &str) {
    let found = pointers(answer);
    assert!(found.iter().any(|(at, _)| at == pointer), "nothing points at {pointer}: {found:?}");
}

/// Asserts a `permission_denied` that names table, operation and the level that would do.
#[track_caller]
pub fn denied(answer: &Answer, table: &str, operation: &str, needed: &str) {
    answer.refused(403, "permission_denied");
    let named =
        ["table", "operation", "needed"].map(|name| answer.body[name].as_str().unwrap_or_default());
    assert_eq!(named, [table, operation, needed], "{}", answer.body);
}
