//! `POST /api/access/explain`: for people who wonder why.

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::advice::Refused;
use super::explain::{Answered, Explanation};
use super::{Question, located, subject};
use crate::access::Operation;
use crate::access::tables::Read;
use crate::context::asking::{AskedScope, Asking, Subject};
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::UserId;
use crate::tenancy::groups::Reaching;
use crate::tenancy::members;
use crate::tenancy::roles::Readable;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(explain_access)
            .refuses(&[Code::NotFound, Code::InstanceContextMissing, Code::PermissionDenied])
            .guard(app, Policy::asking_about_access()),
    )
}

/// What is to be explained: an operation on a table, or a view.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({ "table": "members", "operation": "update",
    "userId": "01900000-0000-7000-8000-00000000a003" }))]
pub struct ExplainAccess {
    /// With an `operation`; not beside a `view`.
    #[schema(example = "members")]
    table: Option<String>,
    operation: Option<Operation>,
    /// Why this view of a feature is shown, or not: in place of `table` and `operation`.
    #[schema(example = json!(null))]
    view: Option<String>,
    /// Whose row it is; without it, any row that the operation may reach.
    owner_id: Option<UserId>,
    /// Whom it is about; the caller when left out. Others have to be members whom the caller may
    /// read.
    user_id: Option<UserId>,
}

/// Says whether a user may do something, which roles and groups that comes from, and what it would
/// take. These are steps: once they are done, it is allowed.
#[utoipa::path(post, path = "/api/access/explain", tag = "Access", request_body = ExplainAccess,
    responses((status = 200, description = "The explanation", body = Explanation),
              (status = 404, description = "No such member, or not to be read")))]
async fn explain_access(
    asking: Asking,
    Json(body): Json<ExplainAccess>,
) -> Result<Json<Explanation>> {
    let question = Question::of_body("", body.table, body.operation, body.view, body.owner_id)?;
    let mut subject = subject(&asking, body.user_id).await?;
    let scope = located(&mut subject, &question).await?;
    // Who is near is asked whatever the level: what it would take depends on it.
    let peers = subject.peers_among(&question.owner.into_iter().collect()).await?;
    let verdict = subject.verdict(&scope, question.target(), question.owner, &peers);
    let readable = readable(&asking, &scope, subject.user()).await?;
    let groups =
        if verdict.level.is_group() { groups(&asking, &subject, &question).await? } else { None };
    let standing = if verdict.allowed { None } else { Some(subject.standing(&scope).await?) };
    let owner_is_known = !verdict.allowed && owner_is_known(&asking, &question).await?;
    let refused = standing.as_ref().map(|standing| Refused {
        question: &question,
        scope: &scope,
        verdict,
        standing,
        readable: &readable,
        owner_is_known,
    });
    Ok(Json(
        Answered {
            question: &question,
            scope: &scope,
            verdict,
            readable: &readable,
            groups,
            refused,
        }
        .explanation(),
    ))
}

/// The groups through which the subject reaches the row's owner, or anybody; none where the row is
/// their own.
async fn groups(
    asking: &Asking,
    subject: &Subject,
    question: &Question,
) -> Result<Option<Reaching>> {
    if question.owner == Some(subject.user()) {
        return Ok(None);
    }
    let context = asking.context();
    // The subject was reached: it is the caller, or somebody whom they may read.
    let grant = context.grant_over_oneself::<Read>()?;
    Reaching::of(context, &grant, subject.user(), question.owner).await.map(Some)
}

/// Whether the row's owner is a member of whom the caller may be told so.
async fn owner_is_known(asking: &Asking, question: &Question) -> Result<bool> {
    let Some(owner) = question.owner else { return Ok(false) };
    let context = asking.context();
    let grant = context.grant_over_oneself::<Read>()?;
    let mut reading = context.read().await?;
    let found = members::named(&mut reading, &grant, &[owner], &[]).await?;
    reading.finish().await?;
    Ok(!found.is_empty())
}

/// Which roles of the scope the caller may be told of.
async fn readable(asking: &Asking, scope: &AskedScope, person: UserId) -> Result<Readable> {
    match scope.instance {
        None => Readable::in_mandate(asking.context(), person).await,
        Some(instance) => {
            Readable::in_instance(&asking.context().in_instance(instance).await?, person).await
        }
    }
}
