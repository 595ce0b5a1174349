//! Mandates in the database. What governs them runs as the system; what their admins do, as the
//! tenant.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Mandate;
use crate::access::tables::{Mandate as MandateTable, Read, Update};
use crate::context::{Grant, System};
use crate::kernel::db::AdvisoryLock;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{GroupId, MandateId};
use crate::kernel::names::{self, Name};

fn code_taken() -> Error {
    Error::new(Code::CodeTaken, "Another mandate has this code.")
}

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
    macro_rules! mandates {
        ($after:tt, $order:tt, $bound:expr) => {
            sqlx::query!(
                r#"select d.id, d.name, d.code, d.language, d.enabled,
                     has_effective_admin(d.id) as "has_admin!", d.version, d.created_at,
                          d.updated_at, d.deleted_at, d.purge_at, d.name_sort, d.code_key
                   from mandates d
                   where (d.deleted_at is not null) = $1 and ($2::bool is null or d.enabled = $2)
                     and ($3::text is null or strpos(d.name_key, $3) > 0
                         or strpos(d.code_key, $3) > 0)
                     and ($7::text is null or d.code_key = $7)
                       and ($8::bool is null or has_effective_admin(d.id) = $8)
                     and "#
                    + $after
                    + " order by "
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
        };
    }
    let (text, time) = (paging.bound_text(), paging.bound_time());
    let rows = match (paging.sort.as_str(), paging.descending) {
        ("name", false) => {
            mandates!("(d.name_sort, d.id) > ($4, $5)", "d.name_sort, d.id", text).await?
        }
        ("name", true) => {
            mandates!("(d.name_sort, d.id) < ($4, $5)", "d.name_sort desc, d.id desc", text).await?
        }
        ("code", false) => {
            mandates!("(d.code_key, d.id) > ($4, $5)", "d.code_key, d.id", text).await?
        }
        ("code", true) => {
            mandates!("(d.code_key, d.id) < ($4, $5)", "d.code_key desc, d.id desc", text).await?
        }
        (_, false) => {
            mandates!("(d.created_at, d.id) > ($4, $5)", "d.created_at, d.id", time).await?
        }
        (_, true) => {
            mandates!("(d.created_at, d.id) < ($4, $5)", "d.created_at desc, d.id desc", time)
                .await?
        }
    };
    let total = if paging.count { Some(count(connection, system, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |(mandate, name, code)| {
        let position = position(&mandate, &paging.sort, name, code);
        (mandate, position)
    }))
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
           where (d.deleted_at is not null) = $1 and ($2::bool is null or d.enabled = $2)
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

/// The mandate of the grant.
pub(super) async fn find(
    connection: &mut PgConnection,
    grant: &Grant<MandateTable, Read>,
) -> Result<Option<Mandate>> {
    let row = sqlx::query_as!(
        Mandate,
        r#"select id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             version, created_at, updated_at, deleted_at, purge_at
           from mandates where id = $1 and deleted_at is null"#,
        grant.mandate_uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// The mandate of the grant, locked until the transaction ends.
pub(super) async fn find_for_change(
    connection: &mut PgConnection,
    grant: &Grant<MandateTable, Update>,
) -> Result<Option<Mandate>> {
    let row = sqlx::query_as!(
        Mandate,
        r#"select id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             version, created_at, updated_at, deleted_at, purge_at
           from mandates where id = $1 and deleted_at is null for no key update"#,
        grant.mandate_uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Renames the mandate of the grant or changes its language; all that its admins change.
pub(super) async fn rename(
    connection: &mut PgConnection,
    grant: &Grant<MandateTable, Update>,
    name: Option<&Name>,
    language: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Mandate> {
    let row = sqlx::query_as!(
        Mandate,
        r#"update mandates set name = coalesce($2, name), name_key = coalesce($3, name_key),
             language = coalesce($4, language),
             version = version + 1, updated_at = $5
           where id = $1 and deleted_at is null
           returning id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             version, created_at, updated_at, deleted_at, purge_at"#,
        grant.mandate_uuid(),
        name.map(Name::as_str),
        name.map(Name::key),
        language,
        now,
    )
    .fetch_one(connection)
    .await?;
    Ok(row)
}

/// A mandate by its id, deleted or not, as the system; locked until the transaction ends.
pub(super) async fn find_as_system(
    connection: &mut PgConnection,
    _: System,
    mandate: MandateId,
) -> Result<Option<Mandate>> {
    let row = sqlx::query_as!(
        Mandate,
        r#"select /* system */ id, name, code, language, enabled,
             has_effective_admin(id) as "has_admin!", version, created_at, updated_at,
                  deleted_at, purge_at
           from mandates where id = $1 for no key update"#,
        mandate.uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// What a SysAdmin changes of a mandate.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub name: Option<Name>,
    pub code: Option<String>,
    pub language: Option<String>,
    pub enabled: Option<bool>,
}

impl Changes {
    pub fn alter(&self, before: &Mandate) -> bool {
        self.name.as_ref().is_some_and(|name| name.as_str() != before.name)
            || self.code.as_ref().is_some_and(|code| *code != before.code)
            || self.language.as_ref().is_some_and(|language| *language != before.language)
            || self.enabled.is_some_and(|enabled| enabled != before.enabled)
    }
}

pub(super) async fn update(
    connection: &mut PgConnection,
    _: System,
    mandate: MandateId,
    changes: &Changes,
    now: DateTime<Utc>,
) -> Result<Mandate> {
    let row = sqlx::query_as!(
        Mandate,
        r#"update mandates set name = coalesce($2, name), name_key = coalesce($3, name_key),
             code = coalesce($4, code),
             code_key = coalesce($4, code_key), language = coalesce($5, language),
               enabled = coalesce($6, enabled),
             version = version + 1, updated_at = $7
           where id = $1 and deleted_at is null
           returning id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             version, created_at, updated_at, deleted_at, purge_at"#,
        mandate.uuid(),
        changes.name.as_ref().map(Name::as_str),
        changes.name.as_ref().map(Name::key),
        changes.code.as_deref(),
        changes.language.as_deref(),
        changes.enabled,
        now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("mandates_code_key", code_taken)
}

/// A mandate to be made.
#[derive(Debug)]
pub(super) struct NewMandate<'a> {
    pub id: MandateId,
    pub name: &'a Name,
    /// As given, or to be made from the name.
    pub code: Option<&'a str>,
    pub language: &'a str,
    pub now: DateTime<Utc>,
}

/// Makes the mandate's row and its group `everyone`.
pub(super) async fn insert(
    connection: &mut PgConnection,
    system: System,
    mandate: &NewMandate<'_>,
) -> Result<()> {
    match mandate.code {
        Some(code) => {
            if !insert_with_code(connection, system, mandate, code).await? {
                return Err(code_taken());
            }
        }
        None => insert_with_generated_code(connection, system, mandate).await?,
    }
    sqlx::query!(
        "insert into groups (id, mandate_id, name, name_key, auto_join, created_at)
           values ($1, $2, 'everyone', 'everyone', true, $3)",
        GroupId::new().uuid(),
        mandate.id.uuid(),
        mandate.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How often the next number is asked for, before chance names the code. A number is lost only to
/// who commits, or gives the code by hand, between the look and the insert.
const TRIES: usize = 5;
/// Leaves room for a suffix of chance within the length of a code.
const ROOM: usize = 48;

/// The name's slug, then `-2` … until one is free; where none is, a suffix of chance.
async fn insert_with_generated_code(
    connection: &mut PgConnection,
    system: System,
    mandate: &NewMandate<'_>,
) -> Result<()> {
    let id = mandate.id.uuid().simple().to_string();
    let base =
        names::slug(mandate.name.as_str()).unwrap_or_else(|| format!("m-{}", &id[id.len() - 8..]));
    for _ in 0..TRIES {
        let Some(code) = free_code(connection, system, &base).await? else { break };
        if insert_with_code(connection, system, mandate, &code).await? {
            return Ok(());
        }
    }
    let stem = base.get(..ROOM).unwrap_or(&base).trim_end_matches('-');
    for _ in 0..TRIES {
        let chance = MandateId::new().uuid().simple().to_string();
        if insert_with_code(
            connection,
            system,
            mandate,
            &format!("{stem}-{}", &chance[chance.len() - 12..]),
        )
        .await?
        {
            return Ok(());
        }
    }
    Err(Error::internal("no code of chance was free"))
}

/// The first of `x`, `x-2` … that no mandate has and that nobody else is just about to take. Who is
/// about to take one holds its lock until their transaction ends, and nobody waits for it: many at
/// once are given one number each.
async fn free_code(connection: &mut PgConnection, _: System, base: &str) -> Result<Option<String>> {
    let code = sqlx::query_scalar!(
        // A look-up a candidate; only the lock of one that looks free is tried (`case` keeps that
        // order).
        r#"with recursive tried (candidate, n, taken) as (
             select $1::text, 1,
                    case when exists (select 1 from mandates where code_key = $1
                        and deleted_at is null) then true
                         else not pg_try_advisory_xact_lock($2, hashtext($1)) end
             union all
             select next.candidate, next.n,
                    case when exists (select 1 from mandates where code_key = next.candidate
                        and deleted_at is null) then true
                         else not pg_try_advisory_xact_lock($2, hashtext(next.candidate)) end
             from tried cross join lateral (select $1::text || '-' || (tried.n + 1) as candidate,
                 tried.n + 1 as n) next
             where tried.taken and tried.n < 10000)
           select candidate as "candidate!" from tried where not taken"#,
        base,
        AdvisoryLock::MandateCode.number()
    );
    Ok(code.fetch_optional(connection).await?)
}

async fn insert_with_code(
    connection: &mut PgConnection,
    _: System,
    mandate: &NewMandate<'_>,
    code: &str,
) -> Result<bool> {
    let made = sqlx::query!(
        "insert into mandates (id, name, name_key, code, code_key, language, created_at, updated_at)
         values ($1, $2, $3, $4, $4, $5, $6, $6)
         on conflict (code_key) where deleted_at is null do nothing",
        mandate.id.uuid(),
        mandate.name.as_str(),
        mandate.name.key(),
        code,
        mandate.language,
        mandate.now,
    )
    .execute(connection)
    .await?;
    Ok(made.rows_affected() == 1)
}

/// Deletes softly: unreachable at once, restorable until `purge_at`.
pub(super) async fn delete(
    connection: &mut PgConnection,
    _: System,
    mandate: MandateId,
    now: DateTime<Utc>,
    purge_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update mandates set deleted_at = $2, purge_at = $3, version = version + 1, updated_at = $2
           where id = $1 and deleted_at is null",
        mandate.uuid(),
        now,
        purge_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn restore(
    connection: &mut PgConnection,
    _: System,
    mandate: MandateId,
    now: DateTime<Utc>,
) -> Result<Mandate> {
    let row = sqlx::query_as!(
        Mandate,
        r#"update mandates set deleted_at = null, purge_at = null, version = version + 1,
             updated_at = $2
           where id = $1 and deleted_at is not null
           returning id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             version, created_at, updated_at, deleted_at, purge_at"#,
        mandate.uuid(),
        now
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("mandates_code_key", code_taken)
}

/// The mandate that this transaction has just made, as its tenant.
pub(super) async fn find_new(
    connection: &mut PgConnection,
    _: System,
    mandate: MandateId,
) -> Result<Mandate> {
    let row = sqlx::query_as!(
        Mandate,
        r#"select /* new */ id, name, code, language, enabled,
             has_effective_admin(id) as "has_admin!", version, created_at, updated_at,
                  deleted_at, purge_at
           from mandates where id = $1"#,
        mandate.uuid()
    )
    .fetch_one(connection)
    .await?;
    Ok(row)
}
