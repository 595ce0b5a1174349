//! `/api/mandates/{mandateId}/users`: the list of members.

use utoipa_axum::routes;

use super::Member;
use super::list::{self, Filter};
use crate::access::tables::{Members, Read};
use crate::context::MandateContext;
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::extract::Query;
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::http::paths::MandatePath;
use crate::kernel::error::Result;
use crate::kernel::ids::{GroupId, RoleId};
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_members).guard(app, Policy::table::<Members, Read>().or_sys()))
}

list_query! {
    MembersQuery sorted by "username", "createdAt" {
        /// Only holders of this role.
        #[param(inline)]
        role_id: RoleId,
        /// Only members of this group.
        #[param(inline)]
        group_id: GroupId,
        /// Only enabled ones, or only disabled ones.
        #[param(example = true)]
        enabled: bool,
        /// Part of a username; of an address or name where those are shown.
        #[param(value_type = Option<String>, example = "ac")]
        q: Search,
    }
}

/// The mandate's members.
#[utoipa::path(get, path = "/api/mandates/{mandateId}/users", tag = "Members",
    params(MandatePath, MembersQuery),
    responses((status = 200, description = "A page of members", body = Page<Member>)))]
async fn list_members(
    context: MandateContext,
    lister: Lister,
    Query(query): Query<MembersQuery>,
) -> Result<PageAnswer<Member>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Members, Read>()?;
    let filter = Filter {
        role: query.role_id.map(RoleId::uuid),
        group: query.group_id.map(GroupId::uuid),
        enabled: query.enabled,
        text: query.q.map(Search::into_key),
    };
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, &filter, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}
