//! The keys in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::context::System;
use crate::kernel::credentials::ring::{Life, OpenKey, Purpose};
use crate::kernel::crypto::{Sealed, Secrets};
use crate::kernel::error::{Error, Result};

/// A key, as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub id: String,
    pub life: Life,
    pub sealed: Option<Vec<u8>>,
    pub sealed_under: Option<String>,
}

impl Kept {
    /// `None` where this secret does not open it.
    pub fn opened(self, secrets: &Secrets) -> Option<OpenKey> {
        let private = secrets.open(self.sealed.as_deref()?, &self.id)?;
        Some(OpenKey { id: self.id, life: self.life, private })
    }
}

/// What they are good for hangs on all of them.
pub(super) fn lives(kept: &[Kept]) -> Vec<Life> {
    kept.iter().map(|key| key.life.clone()).collect()
}

/// One that comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'a> {
    pub id: &'a str,
    pub purpose: Purpose,
    pub begins_at: DateTime<Utc>,
}

struct Row {
    id: String,
    purpose: String,
    sealed: Option<Vec<u8>>,
    sealed_under: Option<String>,
    created_at: DateTime<Utc>,
    begins_at: DateTime<Utc>,
    retired_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Kept {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let purpose = Purpose::of_name(&row.purpose)
            .ok_or_else(|| Error::internal(format!("no key is for `{}`", row.purpose)))?;
        let Row { created_at, begins_at, retired_at, .. } = row;
        let life = Life { purpose, created_at, begins_at, retired_at };
        Ok(Self { id: row.id, life, sealed: row.sealed, sealed_under: row.sealed_under })
    }
}

/// Those that something can be done with.
pub(super) async fn sealed(connection: &mut PgConnection, _: System) -> Result<Vec<Kept>> {
    let rows = sqlx::query_as!(
        Row,
        "select id, purpose, sealed, sealed_under, created_at, begins_at, retired_at
         from service_keys where sealed is not null"
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Kept::try_from).collect()
}

/// All there were.
pub(super) async fn all(connection: &mut PgConnection, _: System) -> Result<Vec<Kept>> {
    let rows = sqlx::query_as!(
        Row,
        "select id, purpose, null as \"sealed: Vec<u8>\", sealed_under, created_at, begins_at,
           retired_at
         from service_keys order by begins_at, created_at, id"
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Kept::try_from).collect()
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    _: System,
    (new, sealed): (New<'_>, &Sealed),
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into service_keys (id, purpose, sealed, sealed_under, created_at, begins_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (id) do nothing",
        new.id,
        new.purpose.name(),
        sealed.bytes,
        sealed.under,
        now,
        new.begins_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn seal_anew(
    connection: &mut PgConnection,
    _: System,
    (id, sealed): (&str, &Sealed),
) -> Result<()> {
    sqlx::query!(
        "update service_keys set sealed = $2, sealed_under = $3 where id = $1",
        id,
        sealed.bytes,
        sealed.under,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Good for nothing that is presented; its private half goes, unless something is still looked up
/// by it.
pub(super) async fn retire(
    connection: &mut PgConnection,
    _: System,
    (id, is_looked_up_by): (&str, bool),
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update service_keys
         set retired_at = coalesce(retired_at, $2),
           sealed = case when $3 then sealed end,
           sealed_under = case when $3 then sealed_under end
         where id = $1",
        id,
        now,
        is_looked_up_by,
    )
    .execute(connection)
    .await?;
    Ok(())
}
