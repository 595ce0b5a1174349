//! The statements of lists, made of named parts: one for a page and one for the count of all, so
//! that what a list has and how it is narrowed is said once. The parts are texts of this program;
//! what a request says comes as arguments.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, FromRow, PgConnection, Postgres, Row, Type};
use uuid::Uuid;

use super::page::{Paging, Position, Rows, SortKey};
use crate::kernel::error::{Error, Result};

/// A list. Its own arguments are `$1`, `$2` and so on.
#[derive(Debug, Clone, Copy)]
pub struct Listing {
    /// What is told of a row, under the names of what it is read into.
    pub columns: &'static str,
    /// The tables that decide which rows there are.
    pub from: &'static str,
    /// Joined to these only to tell more of a row, or to sort: to what is counted it adds nothing
    /// and takes nothing away.
    pub beside: &'static str,
    /// Which of their rows the list has for whoever asks: a text for each level, since that decides
    /// which index a page is read from.
    pub reach: &'static str,
    /// Which of these are asked for.
    pub filter: &'static str,
    pub order: Order,
}

/// By what a list is sorted, and among rows that are alike in that, by which id.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    pub key: Key,
    /// `None` where the key is nobody else's.
    pub id: Option<&'static str>,
}

/// A column, and what it holds.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    Text(&'static str),
    Time(&'static str),
    Number(&'static str),
}

impl Key {
    fn column(self) -> &'static str {
        let (Self::Text(column) | Self::Time(column) | Self::Number(column)) = self;
        column
    }

    /// Where the page begins.
    fn bound(self, paging: &Paging, values: Values) -> Values {
        match self {
            Self::Text(_) => values.and(paging.bound_text()),
            Self::Time(_) => values.and(paging.bound_time()),
            Self::Number(_) => values.and(paging.bound_number()),
        }
    }

    fn read(self, row: &PgRow) -> Result<SortKey> {
        Ok(match self {
            Self::Text(_) => SortKey::Text(row.try_get("listed_by")?),
            Self::Time(_) => SortKey::Time(row.try_get("listed_by")?),
            Self::Number(_) => SortKey::Number(row.try_get("listed_by")?),
        })
    }
}

impl Order {
    #[must_use]
    pub const fn by(key: Key, id: &'static str) -> Self {
        Self { key, id: Some(id) }
    }

    fn position(self, row: &PgRow) -> Result<Position> {
        let id = match self.id {
            Some(_) => row.try_get("listed_id")?,
            None => Uuid::nil(),
        };
        Ok(Position { key: self.key.read(row)?, id })
    }
}

/// A list's own arguments, in their order.
#[derive(Debug)]
pub struct Values(std::result::Result<PgArguments, BoxDynError>);

impl Values {
    #[must_use]
    pub fn none() -> Self {
        Self(Ok(PgArguments::default()))
    }
    #[must_use]
    pub fn of<'q, T: Encode<'q, Postgres> + Type<Postgres>>(first: T) -> Self {
        Self::none().and(first)
    }
    #[must_use]
    pub fn and<'q, T: Encode<'q, Postgres> + Type<Postgres>>(self, next: T) -> Self {
        Self(self.0.and_then(|mut arguments| arguments.add(next).map(|()| arguments)))
    }
    fn arguments(self) -> Result<PgArguments> {
        self.0.map_err(Error::internal)
    }
}

impl Listing {
    /// The page that is asked for; and how many rows all pages have, where that is asked too.
    pub async fn read<T>(
        &self,
        connection: &mut PgConnection,
        paging: &Paging,
        values: Values,
    ) -> Result<Rows<T>>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        let own = values.arguments()?;
        let statement = self.page(paging.descending, own.len());
        let mut bounds = self.order.key.bound(paging, Values(Ok(own.clone())));
        if self.order.id.is_some() {
            bounds = bounds.and(paging.bound_id());
        }
        let arguments = bounds.and(paging.fetch()).arguments()?;
        let rows = sqlx::query_with(AssertSqlSafe(statement), arguments)
            .fetch_all(&mut *connection)
            .await?;
        let placed = rows.iter().map(|row| Ok((T::from_row(row)?, self.order.position(row)?)));
        let placed = placed.collect::<Result<Vec<_>>>()?;
        let total = if paging.count {
            let all = sqlx::query_scalar_with(AssertSqlSafe(self.count()), own);
            Some(all.fetch_one(connection).await?)
        } else {
            None
        };
        Ok(paging.cut(placed, total, |placed| placed))
    }

    /// The bounds of the page and its length are the arguments after the list's own.
    fn page(&self, descending: bool, own: usize) -> String {
        let Self { columns, from, beside, reach, filter, order } = self;
        let (compare, direction) = if descending { ("<", " desc") } else { (">", "") };
        let (key, first) = (order.key.column(), own + 1);
        let (listed, after, by, last) = match order.id {
            Some(id) => (
                format!("{key} as listed_by, {id} as listed_id"),
                format!("({key}, {id}) {compare} (${first}, ${})", first + 1),
                format!("{key}{direction}, {id}{direction}"),
                first + 2,
            ),
            None => (
                format!("{key} as listed_by"),
                format!("{key} {compare} ${first}"),
                format!("{key}{direction}"),
                first + 1,
            ),
        };
        format!(
            "select {columns}, {listed} from {from} {beside}
             where ({reach}) and ({filter}) and {after}
             order by {by} limit ${last}"
        )
    }

    fn count(&self) -> String {
        let Self { from, reach, filter, .. } = self;
        format!("select count(*) from {from} where ({reach}) and ({filter})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: Listing = Listing {
        columns: "r.id, r.label",
        from: "roles r",
        beside: "",
        reach: "r.mandate_id = $1",
        filter: "true",
        order: Order::by(Key::Text("r.label_sort"), "r.id"),
    };

    #[test]
    fn a_page_begins_after_the_arguments_of_its_list() {
        let page = ROLES.page(true, 1);
        assert!(page.contains("and (r.label_sort, r.id) < ($2, $3)"), "{page}");
        assert!(page.ends_with("order by r.label_sort desc, r.id desc limit $4"), "{page}");
        // An `or` in one part opens nothing of the others.
        for statement in [page, ROLES.count()] {
            assert!(statement.contains("where (r.mandate_id = $1) and (true)"), "{statement}");
        }
        let alone = Listing { order: Order { key: Key::Number("n"), id: None }, ..ROLES };
        let page = alone.page(false, 1);
        assert!(page.contains("and n > $2\n") && page.ends_with("order by n limit $3"), "{page}");
    }
}
