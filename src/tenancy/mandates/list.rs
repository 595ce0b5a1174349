//! The list of mandates, for SysAdmins.

use sqlx::PgConnection;

use super::Mandate;
use crate::context::System;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;

/// What the list of mandates is narrowed to.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub enabled: Option<bool>,
    pub deleted: bool,
    pub text: Option<String>,
    pub code_key: Option<String>,
    pub has_admin: Option<bool>,
}

/// The mandate in a row that has more columns.
macro_rules! mandate_of {
    ($row:expr) => {
        Mandate {
            id: $row.id.into(),
            name: $row.name,
            code: $row.code,
            language: $row.language,
            enabled: $row.enabled,
            has_admin: $row.has_admin,
            version: $row.version,
            created_at: $row.created_at,
            updated_at: $row.updated_at,
            deleted_at: $row.deleted_at,
            purge_at: $row.purge_at,
        }
    };
}

/// Every mandate, for SysAdmins.
pub(super) async fn list(
    connection: &mut PgConnection,
    system: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Mandate>> {
    let rows = page(connection, system, filter, paging).await?;
    let total = if paging.count { Some(count(connection, system, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |(mandate, name, code)| {
        let position = position(&mandate, &paging.sort, name, code);
        (mandate, position)
    }))
}

/// With the keys by which names and codes are sorted.
async fn page(
    connection: &mut PgConnection,
    _: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Vec<(Mandate, String, String)>> {
    macro_rules! mandates {
        ($key:tt, $after:tt, $order:tt, $bound:expr) => {
            sqlx::query!(
                r#"select d.id, d.name, d.code, d.language, d.enabled,
                          has_effective_admin(d.id) as "has_admin!",
                          d.version, d.created_at, d.updated_at, d.deleted_at, d.purge_at,
                          d.name_sort, d.code_key
                   from mandates d
                   where (d.deleted_at is not null) = $1
                     and ($2::bool is null or d.enabled = $2)
                     and ($3::text is null
                          or strpos(d.name_key, $3) > 0 or strpos(d.code_key, $3) > 0)
                     and ($7::text is null or d.code_key = $7)
                     and ($8::bool is null or has_effective_admin(d.id) = $8)
                     and ("#
                    + $key
                    + ", d.id) "
                    + $after
                    + " ($4, $5)
                   order by "
                    + $key
                    + $order
                    + ", d.id"
                    + $order
                    + " limit $6",
                filter.deleted,
                filter.enabled,
                filter.text.as_deref(),
                $bound,
                paging.bound_id(),
                paging.fetch(),
                filter.code_key.as_deref(),
                filter.has_admin,
            )
            .map(|row| (mandate_of!(row), row.name_sort, row.code_key))
            .fetch_all(&mut *connection)
            .await?
        };
    }
    let (text, time) = (paging.bound_text(), paging.bound_time());
    Ok(match (paging.sort.as_str(), paging.descending) {
        ("name", false) => mandates!("d.name_sort", ">", "", text),
        ("name", true) => mandates!("d.name_sort", "<", " desc", text),
        ("code", false) => mandates!("d.code_key", ">", "", text),
        ("code", true) => mandates!("d.code_key", "<", " desc", text),
        (_, false) => mandates!("d.created_at", ">", "", time),
        (_, true) => mandates!("d.created_at", "<", " desc", time),
    })
}

fn position(mandate: &Mandate, sort: &str, name: String, code: String) -> Position {
    let key = match sort {
        "name" => name.into(),
        "code" => code.into(),
        _ => mandate.created_at.into(),
    };
    Position { key, id: mandate.id.uuid() }
}

async fn count(connection: &mut PgConnection, _: System, filter: &Filter) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from mandates d
           where (d.deleted_at is not null) = $1
             and ($2::bool is null or d.enabled = $2)
             and ($3::text is null or strpos(d.name_key, $3) > 0 or strpos(d.code_key, $3) > 0)
             and ($4::text is null or d.code_key = $4)
             and ($5::bool is null or has_effective_admin(d.id) = $5)"#,
        filter.deleted,
        filter.enabled,
        filter.text.as_deref(),
        filter.code_key.as_deref(),
        filter.has_admin,
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
