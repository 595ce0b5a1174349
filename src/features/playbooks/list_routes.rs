//! The list of an instance's playbooks.

use utoipa_axum::routes;

use super::Playbooks;
use super::list::{self, Filter};
use super::playbook::Playbook;
use crate::access::tables::Read;
use crate::context::InstanceContext;
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::extract::Query;
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(routes!(list_playbooks).guard(app, Policy::feature::<Playbooks, Read>()))
}

list_query! {
    /// What the list is narrowed to.
    PlaybooksQuery sorted by "name", "createdAt" {
        /// Part of a name or title.
        #[param(value_type = Option<String>, example = "ac")]
        q: Search,
        /// Only this user's.
        #[param(inline)]
        owner_id: UserId,
        /// Whether the deleted ones are wanted, which can still be restored.
        deleted: bool,
    }
}

/// The instance's playbooks that the caller's level reaches.
#[utoipa::path(get, path = "/api/playbooks", tag = "Playbooks", params(PlaybooksQuery),
    responses((status = 200, description = "A page of playbooks", body = Page<Playbook>)))]
async fn list_playbooks(
    context: InstanceContext,
    lister: Lister,
    Query(query): Query<PlaybooksQuery>,
) -> Result<PageAnswer<Playbook>> {
    let paging = query.paging(&lister)?;
    let grant = context.grant::<Playbooks, Read>()?;
    let filter = Filter {
        owner: query.owner_id.map(UserId::uuid),
        deleted: query.deleted.unwrap_or(false),
        text: query.q.map(Search::into_key),
        now: context.now(),
    };
    let mut reading = context.read().await?;
    let rows = list::list(&mut reading, &grant, &filter, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}
