//! Mandates in the database. What governs them runs as the system; what their admins do, as the
//! tenant.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Mandate, code};
use crate::access::tables::{Mandate as MandateTable, Update};
use crate::context::{Opened, System};
use crate::kernel::error::{OnConstraint, Result};
use crate::kernel::ids::MandateId;
use crate::kernel::names::Name;

/// Changes what its own people change of a mandate.
pub(super) async fn update_as_member(
    connection: &mut PgConnection,
    mandate: &Opened<MandateTable, Update, Mandate>,
    changes: &Changes,
    now: DateTime<Utc>,
) -> Result<Mandate> {
    let row = sqlx::query_as!(
        Mandate,
        r#"update mandates set
             name = coalesce($2, name), name_key = coalesce($3, name_key),
             language = coalesce($4, language),
             allow_impersonation = coalesce($6, allow_impersonation),
             version = version + 1, updated_at = $5
           where id = $1 and deleted_at is null
           returning id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             allow_impersonation, version, created_at, updated_at, deleted_at, purge_at"#,
        mandate.grant().mandate_uuid(),
        changes.name.as_ref().map(Name::as_str),
        changes.name.as_ref().map(Name::key),
        changes.language.as_deref(),
        now,
        changes.allow_impersonation,
    )
    .fetch_one(connection)
    .await?;
    Ok(row)
}

/// What is changed of a mandate.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub name: Option<Name>,
    pub code: Option<String>,
    pub language: Option<String>,
    pub enabled: Option<bool>,
    pub allow_impersonation: Option<bool>,
}

impl Changes {
    pub fn alter(&self, before: &Mandate) -> bool {
        self.name.as_ref().is_some_and(|name| name.as_str() != before.name)
            || self.code.as_ref().is_some_and(|code| *code != before.code)
            || self.language.as_ref().is_some_and(|language| *language != before.language)
            || self.enabled.is_some_and(|enabled| enabled != before.enabled)
            || self.allow_impersonation.is_some_and(|allow| allow != before.allow_impersonation)
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
        r#"update mandates set
             name = coalesce($2, name), name_key = coalesce($3, name_key),
             code = coalesce($4, code), code_key = coalesce($4, code_key),
             language = coalesce($5, language), enabled = coalesce($6, enabled),
             version = version + 1, updated_at = $7
           where id = $1 and deleted_at is null
           returning id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             allow_impersonation, version, created_at, updated_at, deleted_at, purge_at"#,
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
    row.on_constraint("mandates_code_key", code::code_taken)
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
             allow_impersonation, version, created_at, updated_at, deleted_at, purge_at"#,
        mandate.uuid(),
        now
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("mandates_code_key", code::code_taken)
}
