//! The trail's rows, page by page.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::tables::{Audit, Read};
use crate::context::audit::{Action, ResourceType};
use crate::context::{Grant, System};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::{EventId, MandateId, UserId};

/// An event of the trail. `actorName` is the account's present name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    pub id: EventId,
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub at: DateTime<Utc>,
    #[schema(value_type = Option<Uuid>, example = "01900000-0000-7000-8000-00000000a002")]
    pub actor_id: Option<UserId>,
    #[schema(example = "alice")]
    pub actor_name: Option<String>,
    #[schema(value_type = Option<Uuid>, example = json!(null))]
    pub impersonated_by: Option<UserId>,
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

/// What a trail is narrowed to.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub actor: Option<Uuid>,
    pub action: Option<Action>,
    pub resource_type: Option<ResourceType>,
    pub target: Option<Uuid>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Filter {
    fn action(&self) -> Option<&'static str> {
        self.action.map(Action::name)
    }
    fn resource_type(&self) -> Option<&'static str> {
        self.resource_type.map(ResourceType::name)
    }
}

/// The two directions of one list: by time, and among events of one time by id.
macro_rules! events {
    ($scope:tt, $compare:tt, $direction:tt, $($argument:expr),+) => {
        sqlx::query_as!(
            AuditEvent,
            r#"select e.id, e.at, e.actor_id as "actor_id: UserId",
                    user_display_name(e.actor_id) as actor_name,
                    e.impersonated_by as "impersonated_by: UserId", host(a.address) as actor_ip,
                    e.mandate_id as "mandate_id: MandateId", e.action, e.resource_type,
                    e.resource_id, e.target_user_id as "target_user_id: UserId", e.details,
                    e.request_id
             from audit_events e left join audit_addresses a on a.event_id = e.id
             where "# + $scope + "
               and ($2::uuid is null or e.actor_id = $2) and ($3::text is null or e.action = $3)
               and ($10::text is null or e.resource_type = $10)
               and ($4::uuid is null or e.target_user_id = $4 or e.resource_id = $4::text)
               and ($5::timestamptz is null or e.at >= $5)
               and ($6::timestamptz is null or e.at < $6)
               and (e.at, e.id) " + $compare + " ($7, $8)
             order by e.at " + $direction + ", e.id " + $direction + " limit $9",
            $($argument),+
        )
    };
}

pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Audit, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<AuditEvent>> {
    macro_rules! of_mandate {
        ($compare:tt, $direction:tt) => {
            events!(
                "e.mandate_id = $1 and ($11 = 3 or e.actor_id = $12
                   or ($11 = 2 and e.actor_id in (select p.user_id from group_peers($1, $12) p)))",
                $compare,
                $direction,
                grant.mandate_uuid(),
                filter.actor,
                filter.action(),
                filter.target,
                filter.from,
                filter.to,
                paging.bound_time(),
                paging.bound_id(),
                paging.fetch(),
                filter.resource_type(),
                i32::from(grant.level_number()),
                grant.caller_uuid()
            )
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        of_mandate!("<", "desc").await?
    } else {
        of_mandate!(">", "asc").await?
    };
    let total = if paging.count { Some(count(connection, grant, filter).await?) } else { None };
    Ok(page(paging, rows, total))
}

fn page(paging: &Paging, rows: Vec<AuditEvent>, total: Option<i64>) -> Rows<AuditEvent> {
    paging.cut(rows, total, |event: AuditEvent| {
        let position = Position::new(event.at, event.id.uuid());
        (event, position)
    })
}

async fn count(
    connection: &mut PgConnection,
    grant: &Grant<Audit, Read>,
    filter: &Filter,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from audit_events e
           where e.mandate_id = $1
             and ($2::uuid is null or e.actor_id = $2) and ($3::text is null or e.action = $3)
             and ($4::uuid is null or e.target_user_id = $4 or e.resource_id = $4::text)
             and ($5::timestamptz is null or e.at >= $5) and ($6::timestamptz is null or e.at < $6)
             and ($9::text is null or e.resource_type = $9)
             and ($7 = 3 or e.actor_id = $8 or ($7 = 2 and e.actor_id in (select p.user_id
                 from group_peers($1, $8) p)))"#,
        grant.mandate_uuid(),
        filter.actor,
        filter.action(),
        filter.target,
        filter.from,
        filter.to,
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        filter.resource_type(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// The platform's own trail.
pub(super) async fn list_platform(
    connection: &mut PgConnection,
    system: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<AuditEvent>> {
    macro_rules! of_platform {
        ($compare:tt, $direction:tt) => {
            events!(
                "e.mandate_id is null and ($1::uuid is null)",
                $compare,
                $direction,
                None::<Uuid>,
                filter.actor,
                filter.action(),
                filter.target,
                filter.from,
                filter.to,
                paging.bound_time(),
                paging.bound_id(),
                paging.fetch(),
                filter.resource_type()
            )
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        of_platform!("<", "desc").await?
    } else {
        of_platform!(">", "asc").await?
    };
    let total =
        if paging.count { Some(count_platform(connection, system, filter).await?) } else { None };
    Ok(page(paging, rows, total))
}

async fn count_platform(connection: &mut PgConnection, _: System, filter: &Filter) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from audit_events e
           where e.mandate_id is null
             and ($1::uuid is null or e.actor_id = $1) and ($2::text is null or e.action = $2)
             and ($3::uuid is null or e.target_user_id = $3 or e.resource_id = $3::text)
             and ($4::timestamptz is null or e.at >= $4) and ($5::timestamptz is null or e.at < $5)
             and ($6::text is null or e.resource_type = $6)"#,
        filter.actor,
        filter.action(),
        filter.target,
        filter.from,
        filter.to,
        filter.resource_type(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
