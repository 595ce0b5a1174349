//! The trail, page by page. Whose events a list has, and how far a level reaches, decides which
//! index it is read from, so each has a text of its own, made of named parts.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::query::{QueryAs, QueryScalar};
use sqlx::{AssertSqlSafe, PgConnection, Postgres};
use uuid::Uuid;

use super::event::AuditEvent;
use crate::access::Level;
use crate::access::tables::{Audit, Read};
use crate::context::audit::{Action, ResourceType};
use crate::context::{Grant, System};
use crate::kernel::db::page::{Paging, Position, Rows};
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

impl Filter {
    fn action(&self) -> Option<&'static str> {
        self.action.map(Action::name)
    }
    fn resource_type(&self) -> Option<&'static str> {
        self.resource_type.map(ResourceType::name)
    }
}

/// What is told of an event `e` from the address `a`.
const COLUMNS: &str = "e.id, e.at, e.actor_id, user_display_name(e.actor_id) as actor_name,
    e.impersonated_by, host(a.address) as actor_ip, e.mandate_id, e.action, e.resource_type,
    e.resource_id, e.target_user_id, e.details, e.request_id";

/// Which events a filter leaves.
const FILTERED: &str = "($3::uuid is null or e.actor_id = $3)
    and ($4::text is null or e.action = $4)
    and ($5::text is null or e.resource_type = $5)
    and ($6::uuid is null or e.target_user_id = $6 or e.resource_id = $6::text)
    and ($7::timestamptz is null or e.at >= $7)
    and ($8::timestamptz is null or e.at < $8)";

/// Whose events a list has.
struct Trail {
    /// Says so of an event `e`.
    whose: &'static str,
    /// `$1`
    mandate: Option<Uuid>,
    /// `$2`
    caller: Option<Uuid>,
}

impl Trail {
    const OF_PLATFORM: Self = Self { whose: "e.mandate_id is null", mandate: None, caller: None };

    /// What the grant reaches of the mandate's: all, what group peers did, or what the caller did.
    fn reached_by(grant: &Grant<Audit, Read>) -> Self {
        let whose = match grant.level() {
            Level::All => "e.mandate_id = $1",
            Level::Group => {
                "e.mandate_id = $1
                   and (e.actor_id = $2
                     or e.actor_id in (select p.user_id from group_peers($1, $2) p))"
            }
            Level::My | Level::None => "e.mandate_id = $1 and e.actor_id = $2",
        };
        Self { whose, mandate: Some(grant.mandate_uuid()), caller: Some(grant.caller_uuid()) }
    }

    /// The statement of a page.
    fn page<'q>(
        &self,
        filter: &Filter,
        paging: &Paging,
    ) -> QueryAs<'q, Postgres, AuditEvent, PgArguments> {
        let (after, by) = if paging.descending {
            ("(e.at, e.id) < ($9, $10)", "e.at desc, e.id desc")
        } else {
            ("(e.at, e.id) > ($9, $10)", "e.at, e.id")
        };
        let statement = format!(
            "select {COLUMNS}
             from audit_events e left join audit_addresses a on a.event_id = e.id
             where {} and {FILTERED} and {after}
             order by {by} limit $11",
            self.whose
        );
        // Made of the texts above alone: what a request says comes as arguments.
        sqlx::query_as(AssertSqlSafe(statement))
            .bind(self.mandate)
            .bind(self.caller)
            .bind(filter.actor)
            .bind(filter.action())
            .bind(filter.resource_type())
            .bind(filter.target)
            .bind(filter.from)
            .bind(filter.to)
            .bind(paging.bound_time())
            .bind(paging.bound_id())
            .bind(paging.fetch())
    }

    /// How many events there are on all pages.
    fn count<'q>(&self, filter: &Filter) -> QueryScalar<'q, Postgres, i64, PgArguments> {
        let statement =
            format!("select count(*) from audit_events e where {} and {FILTERED}", self.whose);
        sqlx::query_scalar(AssertSqlSafe(statement))
            .bind(self.mandate)
            .bind(self.caller)
            .bind(filter.actor)
            .bind(filter.action())
            .bind(filter.resource_type())
            .bind(filter.target)
            .bind(filter.from)
            .bind(filter.to)
    }
}

/// The mandate's events that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Audit, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<AuditEvent>> {
    let trail = Trail::reached_by(grant);
    let events = trail.page(filter, paging).fetch_all(&mut *connection).await?;
    let total =
        if paging.count { Some(trail.count(filter).fetch_one(connection).await?) } else { None };
    Ok(page(paging, events, total))
}

/// The platform's own events.
pub(super) async fn list_platform(
    connection: &mut PgConnection,
    _: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<AuditEvent>> {
    let trail = Trail::OF_PLATFORM;
    let events = trail.page(filter, paging).fetch_all(&mut *connection).await?;
    let total =
        if paging.count { Some(trail.count(filter).fetch_one(connection).await?) } else { None };
    Ok(page(paging, events, total))
}

fn page(paging: &Paging, events: Vec<AuditEvent>, total: Option<i64>) -> Rows<AuditEvent> {
    paging.cut(events, total, |event: AuditEvent| {
        let position = Position::new(event.at, event.id.uuid());
        (event, position)
    })
}
