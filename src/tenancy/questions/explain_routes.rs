//! `POST /api/access/explain`: for people who wonder why.

use std::sync::Arc;

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::advice::Refused;
use super::explain::{Answered, Explanation};
use super::{Question, located, subject};
use crate::access::decision::Verdict;
use crate::access::tables::Read;
use crate::access::{Level, Operation};
use crate::context::asking::{AskedScope, Asking, Subject};
use crate::context::member::NamedMembers;
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::UserId;
use crate::tenancy::groups::Reaching;
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
    let verdict = verdict(&subject, &scope, &question).await?;
    let mut refused = if verdict.allowed {
        None
    } else {
        Some(Refused {
            question: &question,
            scope: &scope,
            verdict,
            standing: subject.standing(&scope).await?,
            readable: Arc::default(),
            owner_is_known: false,
        })
    };
    let readable = readable(&asking, &subject, &scope, refused.as_mut()).await?;
    if let Some(refused) = refused.as_mut().filter(|refused| refused.is_a_matter_of_groups()) {
        refused.owner_is_known = owner_is_known(&asking, &question).await?;
    }
    let groups =
        if verdict.level.is_group() { groups(&asking, &subject, &question).await? } else { None };
    let answered = Answered {
        question: &question,
        scope: &scope,
        verdict,
        readable: &readable,
        groups,
        refused,
    };
    Ok(Json(answered.explanation()))
}

/// What it would take depends on who is near, unless all rows are reached.
async fn verdict(subject: &Subject, scope: &AskedScope, question: &Question) -> Result<Verdict> {
    let target = question.target();
    let depends = scope.level(target) < Level::All && target.has_owners();
    let owner = question.owner.filter(|_| depends);
    let peers = subject.peers_among(&owner.into_iter().collect()).await?;
    Ok(subject.verdict(scope, target, question.owner, &peers))
}

/// Which roles of the scope the caller may be told that the subject holds. Where it would take
/// more, those that may be suggested are put beside the question.
async fn readable(
    asking: &Asking,
    subject: &Subject,
    scope: &AskedScope,
    refused: Option<&mut Refused<'_>>,
) -> Result<Readable> {
    let is_oneself = subject.user() == asking.context().caller().user();
    let refused = refused.filter(|refused| refused.takes_more());
    if is_oneself && refused.is_none() {
        return Ok(Readable::All);
    }
    let readable = match scope.instance {
        None => Readable::in_mandate(asking.context()).await?,
        Some(instance) => Readable::in_instance(&asking.in_instance(instance).await?).await?,
    };
    if let Some(refused) = refused {
        refused.readable = readable.roles(asking, scope.instance).await?;
    }
    Ok(if is_oneself { Readable::All } else { readable })
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
    let named = NamedMembers { users: vec![owner], ..NamedMembers::default() };
    Ok(!context.members(&grant, &named).await?.is_empty())
}
