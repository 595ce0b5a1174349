//! Limits in the database: a column of the mandate.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{ClassLimits, MandateLimits};
use crate::context::System;
use crate::context::policy::{Class, PerMinute};
use crate::kernel::error::Result;
use crate::kernel::ids::MandateId;

/// The limits of a mandate that is not deleted.
pub(super) async fn find(
    connection: &mut PgConnection,
    _: System,
    mandate: MandateId,
) -> Result<Option<MandateLimits>> {
    let row = sqlx::query!(
        r#"select /* system */ limits as "limits: Json<ClassLimits>", version from mandates
             where id = $1 and deleted_at is null"#,
        mandate.uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| MandateLimits {
        mandate_id: mandate,
        classes: row.limits.0,
        version: row.version,
    }))
}

pub(super) async fn replace(
    connection: &mut PgConnection,
    _: System,
    mandate: MandateId,
    classes: &ClassLimits,
    now: DateTime<Utc>,
) -> Result<MandateLimits> {
    let version = sqlx::query_scalar!(
        "update mandates set limits = $2, version = version + 1, updated_at = $3
           where id = $1 and deleted_at is null returning version",
        mandate.uuid(),
        Json(classes) as _,
        now,
    )
    .fetch_one(connection)
    .await?;
    Ok(MandateLimits { mandate_id: mandate, classes: *classes, version })
}

/// Every mandate that has limits of its own, class by class: a newer node may know classes that
/// this one does not.
pub(super) async fn all(
    connection: &mut PgConnection,
    _: System,
) -> Result<Vec<(MandateId, PerMinute)>> {
    let rows = sqlx::query!(
        r#"select /* system */ id as "id: MandateId", limits as "limits: Json<Map<String, Value>>"
             from mandates
           where limits <> '{}' and deleted_at is null"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, known(&row.limits.0))).collect())
}

fn known(limits: &Map<String, Value>) -> PerMinute {
    let limit = |class: Class| {
        Some((class, u32::try_from(limits.get(class.name())?.as_u64()?).ok()?.try_into().ok()?))
    };
    Class::ALL.into_iter().filter_map(limit).collect()
}
