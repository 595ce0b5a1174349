//! Finding one mandate: by a grant in it as its tenant, or as the system.

use sqlx::PgConnection;

use super::Mandate;
use crate::access::Level;
use crate::access::tables::{Mandate as MandateTable, Op};
use crate::context::{Grant, Sealed, System};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::MandateId;

/// A mandate is nobody's own.
const NEEDED: Level = Level::All;

/// The mandate of the grant.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<MandateTable, O>,
) -> Result<Option<Sealed<MandateTable, Mandate>>> {
    let row = sqlx::query_as!(
        Mandate,
        r#"select id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             allow_impersonation, version, created_at, updated_at, deleted_at, purge_at
           from mandates where id = $1 and deleted_at is null"#,
        grant.mandate_uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| grant.seal(NEEDED.number(), row)))
}

/// The mandate of the grant, locked until the transaction ends.
pub(super) async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<MandateTable, O>,
) -> Result<Option<Sealed<MandateTable, Mandate>>> {
    let row = sqlx::query_as!(
        Mandate,
        r#"select id, name, code, language, enabled, has_effective_admin(id) as "has_admin!",
             allow_impersonation, version, created_at, updated_at, deleted_at, purge_at
           from mandates where id = $1 and deleted_at is null for no key update"#,
        grant.mandate_uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| grant.seal(NEEDED.number(), row)))
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
             has_effective_admin(id) as "has_admin!",
             allow_impersonation, version, created_at, updated_at, deleted_at, purge_at
           from mandates where id = $1 for no key update"#,
        mandate.uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
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
             has_effective_admin(id) as "has_admin!",
             allow_impersonation, version, created_at, updated_at, deleted_at, purge_at
           from mandates where id = $1"#,
        mandate.uuid()
    )
    .fetch_one(connection)
    .await?;
    Ok(row)
}

/// 404 where the mandate is not there, or deleted.
pub(super) fn living(mandate: Option<Mandate>) -> Result<Mandate> {
    mandate.filter(|mandate| mandate.deleted_at.is_none()).ok_or_else(Error::not_found)
}
