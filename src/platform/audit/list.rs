//! The trail, page by page: a mandate's, and the platform's.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::event::AuditEvent;
use crate::access::Level;
use crate::access::tables::{Audit, Read};
use crate::context::audit::{Action, ResourceType};
use crate::context::{Grant, System};
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

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

/// What is told of an event `e` from the address `a`. (The function is for actors who are no
/// members: a call of it costs more than all else of a row.)
const COLUMNS: &str = "e.id, e.at, e.actor_id,
    coalesce((select m.username from memberships m
              where m.mandate_id = e.mandate_id and m.user_id = e.actor_id),
             user_display_name(e.actor_id)) as actor_name,
    e.impersonated_by,
    case when e.impersonated_by is not null then user_display_name(e.impersonated_by) end
      as impersonated_by_name,
    host(a.address) as actor_ip, e.mandate_id, e.action, e.resource_type,
    e.resource_id, e.target_user_id,
    case when r.reason is null then e.details
         else e.details || jsonb_build_object('reason', r.reason) end as details,
    e.request_id";

const FILTER: &str = "($3::uuid is null or e.actor_id = $3)
    and ($4::text is null or e.action = $4)
    and ($5::text is null or e.resource_type = $5)
    and ($6::uuid is null or e.target_user_id = $6 or e.resource_id = $6::text)
    and ($7::timestamptz is null or e.at >= $7)
    and ($8::timestamptz is null or e.at < $8)";

/// All events `e` of the mandate `$1`, what group peers of `$2` did, or what `$2` did.
fn reach(level: Level) -> &'static str {
    match level {
        Level::All => "e.mandate_id = $1",
        Level::Group => {
            "e.mandate_id = $1
             and (e.actor_id = $2 or e.actor_id in (select p.user_id from group_peers($1, $2) p))"
        }
        Level::My => "e.mandate_id = $1 and e.actor_id = $2",
        Level::None => "false",
    }
}

fn trail(reach: &'static str) -> Listing {
    Listing {
        columns: COLUMNS,
        from: "audit_events e",
        beside: "left join audit_addresses a on a.event_id = e.id
                 left join audit_reasons r on r.event_id = e.id",
        reach,
        filter: FILTER,
        order: Order::by(Key::Time("e.at"), "e.id"),
    }
}

impl Filter {
    /// With the mandate and the caller, where the list has these.
    fn values(&self, mandate: Option<Uuid>, caller: Option<Uuid>) -> Values {
        Values::of(mandate)
            .and(caller)
            .and(self.actor)
            .and(self.action.map(Action::name))
            .and(self.resource_type.map(ResourceType::name))
            .and(self.target)
            .and(self.from)
            .and(self.to)
    }
}

/// The mandate's events that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Audit, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<AuditEvent>> {
    let values = filter.values(Some(grant.mandate_uuid()), Some(grant.caller_uuid()));
    trail(reach(grant.level())).read(connection, paging, values).await
}

/// The platform's own events.
pub(super) async fn list_platform(
    connection: &mut PgConnection,
    _: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<AuditEvent>> {
    let values = filter.values(None, None);
    trail("e.mandate_id is null").read(connection, paging, values).await
}
