//! Reading the trail: a mandate's own, and the platform's.

use utoipa_axum::routes;

use super::event::AuditEvent;
use super::list::{self, Filter};
use crate::access::tables::{Audit, Read};
use crate::context::audit::{Action, ResourceType};
use crate::context::policy::Policy;
use crate::context::{MandateContext, SystemContext};
use crate::http::app::App;
use crate::http::extract::Query;
use crate::http::guard::{Guard, Routes};
use crate::http::instant::Instant;
use crate::http::list::{Lister, Page, PageAnswer};
use crate::http::paths::MandatePath;
use crate::kernel::error::Result;
use crate::kernel::ids::{AnyId, UserId};
use crate::list_query;

pub fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_audit_events).guard(app, Policy::table::<Audit, Read>().or_sys()))
        .routes(routes!(list_platform_audit_events).guard(app, Policy::sys()))
}

list_query! {
    AuditQuery sorted by "-at" {
        /// Who did it.
        #[param(inline)]
        actor_id: UserId,
        /// What was done.
        #[param(inline)]
        action: Action,
        /// To what kind of thing.
        #[param(inline)]
        resource_type: ResourceType,
        /// To whom, or to which object.
        #[param(inline)]
        target_id: AnyId,
        /// Events at or after this time.
        #[param(value_type = Option<DateTime<Utc>>, example = "2026-01-01T00:00:00Z")]
        from: Instant,
        /// Events before this time.
        #[param(value_type = Option<DateTime<Utc>>, example = "2027-01-01T00:00:00Z")]
        to: Instant,
    }
}

impl AuditQuery {
    fn filter(&self) -> Filter {
        Filter {
            actor: self.actor_id.map(UserId::uuid),
            action: self.action,
            resource_type: self.resource_type,
            target: self.target_id.map(AnyId::uuid),
            from: self.from.map(Instant::utc),
            to: self.to.map(Instant::utc),
        }
    }
}

/// The mandate's audit trail.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/audit", tag = "Audit",
    params(MandatePath, AuditQuery),
    responses((status = 200, description = "A page of events", body = Page<AuditEvent>)))]
async fn list_audit_events(
    context: MandateContext,
    lister: Lister,
    Query(query): Query<AuditQuery>,
) -> Result<PageAnswer<AuditEvent>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Audit, Read>()?;
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, &query.filter(), &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// The platform's audit trail: accounts, mandates, features, templates, sign-ins.
#[utoipa::path(get, path = "/api/audit", tag = "Audit", params(AuditQuery),
    responses((status = 200, description = "A page of events", body = Page<AuditEvent>)))]
async fn list_platform_audit_events(
    system: SystemContext,
    lister: Lister,
    Query(query): Query<AuditQuery>,
) -> Result<PageAnswer<AuditEvent>> {
    let paging = query.paging(&lister)?;
    let mut reading = system.read().await?;
    let rows = list::list_platform(&mut reading, system.system(), &query.filter(), &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}
