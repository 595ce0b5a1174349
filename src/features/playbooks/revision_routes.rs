//! Editing a version, and taking edits back. Every edit is kept as a revision; a rollback is an
//! edit too, so that nothing is lost by it and a second one takes the first back.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::find::{self, PlaybookReference};
use super::playbook::{PlaybookContent, PlaybookVersion, Revision};
use super::version_request::{MAX_BODY, checked_content};
use super::version_routes::{described, event};
use super::version_store::{self as store, Next};
use super::{PlaybookVersions, Playbooks, VersionPath, revision_list, version_find};
use crate::access::tables::{Read, Update};
use crate::context::audit::{self, Action};
use crate::context::policy::Policy;
use crate::context::{Grant, InstanceContext, Recorded, Writing};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json, OptionalJson, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::PlaybookId;
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(update_playbook_version)
                .refuses(&[Code::Gone])
                .versioned()
                .guard(app, Policy::feature::<PlaybookVersions, Update>().body_up_to(MAX_BODY)),
        )
        .routes(
            routes!(rollback_playbook_version)
                .refuses(&[Code::NoPreviousRevision, Code::Gone])
                .versioned()
                .guard(app, Policy::feature::<PlaybookVersions, Update>()),
        )
        .routes(
            routes!(list_playbook_revisions)
                .refuses(&[Code::Gone])
                .guard(app, Policy::feature::<PlaybookVersions, Read>()),
        )
}

/// A version that is about to be edited, in a playbook that is open and locked.
struct Edited {
    writing: Writing,
    grant: Grant<PlaybookVersions, Update>,
    playbook: PlaybookId,
    before: PlaybookVersion,
}

impl Edited {
    async fn open(
        context: &InstanceContext,
        (name, number): (&str, i32),
        precondition: &Precondition,
        believed: Option<i64>,
    ) -> Result<Self> {
        let (playbooks, grant) =
            (context.grant::<Playbooks, Read>()?, context.grant::<PlaybookVersions, Update>()?);
        let mut writing = context.write().await?;
        let now = context.now();
        let playbook =
            find::open_for_change(&mut writing, &playbooks, &PlaybookReference::of(name), now)
                .await?
                .id;
        let found = version_find::find(&mut writing, &grant, playbook, number, now).await?;
        let before = version_find::living(&grant, found)?.into_row().version;
        precondition.check_with(i64::from(before.revision), believed)?;
        Ok(Self { writing, grant, playbook, before })
    }

    /// Whether the content is what the version holds already.
    async fn holds(&mut self, content: &str) -> Result<bool> {
        if usize::try_from(self.before.size) != Ok(content.len()) {
            return Ok(false);
        }
        store::holds(&mut self.writing, &self.grant, (self.playbook, &self.before), content).await
    }

    /// Makes `next` the version's content; 404 where it names a revision that is not there.
    async fn revise(
        mut self,
        context: &InstanceContext,
        action: Action,
        next: Next<'_>,
    ) -> Result<PlaybookContent> {
        let place = (self.playbook, self.before.number);
        let after =
            store::revise(&mut self.writing, &self.grant, place, next, context.now()).await?;
        let after = after.ok_or_else(Error::not_found)?;
        let source = if let Next::Revision(revision) = next { Some(revision) } else { None };
        let details = json!({
            "before": described(&self.before), "after": described(&after.version),
            "rolledBackFrom": source,
        });
        let recorded = audit::record(
            &mut self.writing,
            context,
            event(action, self.playbook).details(details),
        )
        .await?;
        self.writing.commit(recorded).await?;
        Ok(after)
    }
}

/// What a version is to hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlaybookVersion {
    /// At most 1 MiB of UTF-8, not blank.
    #[schema(example = "1. Say that you are on it. 2. Look at the graphs.")]
    content: String,
    /// The revision that is to be edited; 409 when it is another by now.
    #[schema(example = 1)]
    version: Option<i64>,
}

/// Edits a version's content; what it held is kept as a revision.
#[utoipa::path(put, path = "/api/playbooks/{playbook}/versions/{number}", tag = "Playbooks",
    params(VersionPath),
    request_body = UpdatePlaybookVersion,
    responses((status = 200, description = "The version", body = PlaybookContent)))]
async fn update_playbook_version(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(VersionPath { playbook: name, number }): FromPath<VersionPath>,
    Json(body): Json<UpdatePlaybookVersion>,
) -> Result<Versioned<PlaybookContent>> {
    checked_content(&body.content)?;
    let mut edited = Edited::open(&context, (&name, number), &precondition, body.version).await?;
    if edited.holds(&body.content).await? {
        edited.writing.commit(Recorded::nothing_changed()).await?;
        return Ok(Versioned(PlaybookContent { version: edited.before, content: body.content }));
    }
    edited
        .revise(&context, Action::PlaybookVersionUpdated, Next::Content(&body.content))
        .await
        .map(Versioned)
}

/// Which revision's content is wanted back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RollbackPlaybookVersion {
    /// The one before the current one when left out.
    #[schema(example = 1)]
    to_revision: Option<i32>,
    /// The revision that is to be rolled back; 409 when it is another by now.
    #[schema(example = 2)]
    version: Option<i64>,
}

/// Makes an earlier revision's content current again, as a new revision. Twice gives back the
/// first.
#[utoipa::path(put, path = "/api/playbooks/{playbook}/versions/{number}/rollback",
    tag = "Playbooks",
    params(VersionPath),
    request_body = Option<RollbackPlaybookVersion>,
    responses((status = 200, description = "The version", body = PlaybookContent)))]
async fn rollback_playbook_version(
    context: InstanceContext,
    precondition: Precondition,
    FromPath(VersionPath { playbook: name, number }): FromPath<VersionPath>,
    OptionalJson(body): OptionalJson<RollbackPlaybookVersion>,
) -> Result<Versioned<PlaybookContent>> {
    let wanted = body.unwrap_or_default();
    let edited = Edited::open(&context, (&name, number), &precondition, wanted.version).await?;
    let previous = edited.before.revision - 1;
    if wanted.to_revision.is_none() && previous < 1 {
        return Err(Error::new(Code::NoPreviousRevision, "The version was never edited."));
    }
    let next = Next::Revision(wanted.to_revision.unwrap_or(previous));
    edited.revise(&context, Action::PlaybookVersionRolledBack, next).await.map(Versioned)
}

list_query! {
    RevisionsQuery sorted by "-revision" {}
}

/// The revisions of a version, without their content.
#[utoipa::path(get, path = "/api/playbooks/{playbook}/versions/{number}/revisions",
    tag = "Playbooks",
    params(VersionPath, RevisionsQuery),
    responses((status = 200, description = "A page of revisions", body = Page<Revision>)))]
async fn list_playbook_revisions(
    context: InstanceContext,
    lister: Lister,
    FromPath(VersionPath { playbook: name, number }): FromPath<VersionPath>,
    Query(query): Query<RevisionsQuery>,
) -> Result<PageAnswer<Revision>> {
    let paging = query.paging(&lister)?;
    let (playbooks, grant) =
        (context.grant::<Playbooks, Read>()?, context.grant::<PlaybookVersions, Read>()?);
    let now = context.now();
    let mut reading = context.read().await?;
    let found = find::find(&mut reading, &playbooks, &PlaybookReference::of(&name), now).await?;
    let playbook = find::living(&playbooks, found)?.id;
    version_find::living(
        &grant,
        version_find::find(&mut reading, &grant, playbook, number, now).await?,
    )?;
    let rows = revision_list::revisions(&mut reading, &grant, (playbook, number), &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}
