//! An event of the trail, as it is told.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use utoipa::ToSchema;
use utoipa::openapi::Schema;

use crate::kernel::ids::{EventId, MandateId, UserId, or_null_like};

/// An event of the trail. `actorName` is the account's present name.
#[derive(Debug, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    pub id: EventId,
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub at: DateTime<Utc>,
    #[schema(schema_with = actor)]
    pub actor_id: Option<UserId>,
    #[schema(example = "alice")]
    pub actor_name: Option<String>,
    #[schema(value_type = Option<Uuid>, example = json!(null))]
    pub impersonated_by: Option<UserId>,
    /// The present name of the SysAdmin who acted as the actor.
    #[schema(example = json!(null))]
    pub impersonated_by_name: Option<String>,
    #[schema(example = "203.0.113.7")]
    pub actor_ip: Option<String>,
    pub mandate_id: Option<MandateId>,
    /// A word that the filter `action` takes; later versions know more.
    #[schema(example = "role_assigned")]
    pub action: String,
    /// A word that the filter `resourceType` takes.
    #[schema(example = "member")]
    pub resource_type: String,
    #[schema(example = "01900000-0000-7000-8000-00000000a003")]
    pub resource_id: Option<String>,
    pub target_user_id: Option<UserId>,
    /// What changed, before and after, and what went with what was deleted: ids, labels and levels.
    /// Of a text the first 1,024 bytes are kept, of a list of what went (`userIds`, `added`,
    /// `removed`, `admissions` …) the first 80,000, beside how many there were (`count`,
    /// `addedCount` …).
    #[schema(value_type = BTreeMap<String, Value>, example = json!({
        "before": {"roles": ["user"]}, "after": {"roles": ["admin", "user"]},
    }))]
    pub details: Value,
    #[schema(example = "01900000-0000-7000-8000-00003675ee9f")]
    pub request_id: Option<String>,
}

/// Alice, as in `actorName`.
fn actor() -> Schema {
    or_null_like::<UserId>("01900000-0000-7000-8000-00000000a002", "")
}
