//! Entries in the database.

use bailiwick::access::tables::{Create, Delete, Op, Read, Update};
use bailiwick::context::{Grant, Opened, Sealed};
use bailiwick::kernel::db::page::{Paging, Position, Rows};
use bailiwick::kernel::error::Result;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Entries;

#[derive(Debug, Serialize, FromRow, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub id: Uuid,
    pub owner_id: Uuid,
    #[schema(example = "The stairs were cleaned.")]
    pub text: String,
    pub version: i64,
}

#[derive(FromRow)]
struct Listed {
    #[sqlx(flatten)]
    entry: Entry,
    created_at: DateTime<Utc>,
}

pub async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Entries, Read>,
    paging: &Paging,
) -> Result<Rows<Entry>> {
    let (compare, direction) = if paging.descending { ("<", "desc") } else { (">", "asc") };
    let statement = format!(
        "select id, owner_id, text, version, created_at from journal_entries
         where mandate_id = $1 and instance_id = $2
           and ($3 = 3 or owner_id = $4 or ($3 = 2 and owner_id in (select p.user_id
               from group_peers($1, $4) p)))
           and (created_at, id) {compare} ($5, $6) order by created_at {direction}, id {direction}
             limit $7"
    );
    let rows = sqlx::query_as(AssertSqlSafe(statement))
        .bind(grant.mandate_uuid())
        .bind(grant.instance_uuid())
        .bind(i32::from(grant.level_number()))
        .bind(grant.caller_uuid())
        .bind(paging.bound_time())
        .bind(paging.bound_id())
        .bind(paging.fetch());
    let entries: Vec<Listed> = rows.fetch_all(connection).await?;
    Ok(paging.cut(entries, None, |Listed { entry, created_at }| {
        let position = Position::new(created_at, entry.id);
        (entry, position)
    }))
}

/// An entry by its id.
pub async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Entries, O>,
    entry: Uuid,
) -> Result<Option<Sealed<Entries, Entry>>> {
    let row: Option<(Uuid, Uuid, String, i64, i16)> = sqlx::query_as(
        "select id, owner_id, text, version,
                case when owner_id = $4 then 1::smallint when owner_id in (select p.user_id
                    from group_peers($1, $4) p) then 2::smallint
                     else 3::smallint end
         from journal_entries where mandate_id = $1 and instance_id = $2 and id = $3",
    )
    .bind(grant.mandate_uuid())
    .bind(grant.instance_uuid())
    .bind(entry)
    .bind(grant.caller_uuid())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(id, owner_id, text, version, needed)| {
        grant.seal(needed, Entry { id, owner_id, text, version })
    }))
}

/// The same, and nobody else changes it until the end of the transaction.
pub async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Entries, O>,
    entry: Uuid,
) -> Result<Option<Sealed<Entries, Entry>>> {
    let lock = sqlx::query(
        "select from journal_entries where mandate_id = $1 and instance_id = $2
           and id = $3 for no key update",
    );
    lock.bind(grant.mandate_uuid())
        .bind(grant.instance_uuid())
        .bind(entry)
        .execute(&mut *connection)
        .await?;
    find(connection, grant, entry).await
}

pub async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Entries, Create>,
    text: &str,
) -> Result<Entry> {
    let row = sqlx::query_as(
        "insert into journal_entries (id, mandate_id, instance_id, owner_id, text)
           values ($1, $2, $3, $4, $5)
         returning id, owner_id, text, version",
    );
    let row = row
        .bind(Uuid::now_v7())
        .bind(grant.mandate_uuid())
        .bind(grant.instance_uuid())
        .bind(grant.caller_uuid())
        .bind(text);
    Ok(row.fetch_one(connection).await?)
}

pub async fn replace(
    connection: &mut PgConnection,
    entry: &Opened<Entries, Update, Entry>,
    text: &str,
) -> Result<Entry> {
    let row = sqlx::query_as(
        "update journal_entries set text = $4, version = version + 1 where mandate_id = $1
           and instance_id = $2 and id = $3
         returning id, owner_id, text, version",
    );
    Ok(row
        .bind(entry.grant().mandate_uuid())
        .bind(entry.grant().instance_uuid())
        .bind(entry.id)
        .bind(text)
        .fetch_one(connection)
        .await?)
}

pub async fn delete(
    connection: &mut PgConnection,
    entry: &Opened<Entries, Delete, Entry>,
) -> Result<()> {
    let statement = sqlx::query(
        "delete from journal_entries where mandate_id = $1 and instance_id = $2 and id = $3",
    );
    statement
        .bind(entry.grant().mandate_uuid())
        .bind(entry.grant().instance_uuid())
        .bind(entry.id)
        .execute(connection)
        .await?;
    Ok(())
}
