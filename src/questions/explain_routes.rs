//! `POST /api/access/explain`: for people who wonder why.

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::explain::{Explanation, explain};
use super::{Question, located, subject};
use crate::access::Operation;
use crate::app::App;
use crate::context::asking::{Asking, Scope};
use crate::context::policy::Policy;
use crate::error::Result;
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::ids::UserId;
use crate::roles::Readable;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(routes!(explain_access).guard(app, Policy::user().asks_about_access()))
}

/// What is to be explained.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExplainAccess {
    #[schema(example = "members")]
    table: String,
    operation: Operation,
    /// Whose row it is; without it, any row that the operation may reach.
    owner_id: Option<UserId>,
    /// Whom it is about; the caller when left out. Others have to be members whom the caller may read.
    user_id: Option<UserId>,
}

/// Says whether a user may do something, which roles that comes from, what is in the way, and what it would take.
#[utoipa::path(post, path = "/api/access/explain", tag = "Access", request_body = ExplainAccess,
    responses((status = 200, description = "The explanation", body = Explanation), (status = 404, description = "No such member, or not to be read: not_found"),
              (status = 400, description = "instance_context_missing"), (status = 403, description = "permission_denied")))]
async fn explain_access(asking: Asking, Json(body): Json<ExplainAccess>) -> Result<Json<Explanation>> {
    let question = Question { table: body.table, operation: body.operation, owner: body.owner_id };
    let mut subject = subject(&asking, body.user_id).await?;
    let scope = located(&mut subject, &question, "/table").await?;
    // Who is near is asked whatever the level: what it would take depends on it.
    let peers = subject.peers_among(&question.owner.into_iter().collect()).await?;
    let verdict = subject.verdict(&scope, question.asked(), question.owner, &peers);
    let readable = readable(&asking, &scope, subject.user()).await?;
    Ok(Json(explain(&scope, &question, verdict, &readable)))
}

/// Which roles of the scope the caller may be told of.
async fn readable(asking: &Asking, scope: &Scope, person: UserId) -> Result<Readable> {
    match scope.instance {
        None => Readable::in_mandate(asking.context(), person).await,
        Some(instance) => Readable::in_instance(&asking.context().in_instance(instance).await?, person).await,
    }
}
