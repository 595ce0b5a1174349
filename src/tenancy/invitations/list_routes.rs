//! `GET /api/mandates/{mandateId}/invitations`: who was invited.

use utoipa_axum::routes;

use super::list::{self, Filter};
use super::{Invitation, InvitationStatus};
use crate::access::tables::{Create, Members};
use crate::context::MandateContext;
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::extract::Query;
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::http::paths::MandatePath;
use crate::kernel::error::Result;
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_invitations).guard(app, Policy::table::<Members, Create>().or_sys()))
}

list_query! {
    InvitationsQuery sorted by "-createdAt" {
        /// Only those that stand so.
        #[param(inline)]
        status: InvitationStatus,
        /// Part of an address.
        #[param(value_type = Option<String>, example = "ac")]
        q: Search,
    }
}

/// The mandate's invitations, the newest first; over ones for 30 days after they would have
/// expired.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/invitations", tag = "Members",
    params(MandatePath, InvitationsQuery),
    responses((status = 200, description = "A page of invitations", body = Page<Invitation>)))]
async fn list_invitations(
    context: MandateContext,
    lister: Lister,
    Query(query): Query<InvitationsQuery>,
) -> Result<PageAnswer<Invitation>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Members, Create>()?;
    let filter = Filter { status: query.status, text: query.q.map(Search::into_key) };
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, (&filter, context.now()), &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}
