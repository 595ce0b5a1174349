//! `POST /api/access/check`: for applications, before they act.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{MAX_QUESTIONS, Question, answered, subject};
use crate::access::decision::Verdict;
use crate::access::{Level, Operation};
use crate::context::asking::Asking;
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, FieldError, Result};
use crate::kernel::ids::UserId;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(check_access)
            .refuses(&[Code::NotFound, Code::InstanceContextMissing, Code::PermissionDenied])
            .guard(app, Policy::asking_about_access()),
    )
}

/// A question: about the rows of a table, or about a view.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Check {
    /// With an `operation`; not beside a `view`.
    #[schema(example = "members")]
    table: Option<String>,
    operation: Option<Operation>,
    /// Whose row it is; without it, whether there is any row that the operation reaches.
    owner_id: Option<UserId>,
    /// Whether this view of a feature is shown: in place of `table` and `operation`.
    #[schema(example = json!(null))]
    view: Option<String>,
}

/// Questions about one user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CheckAccess {
    /// 1 to 100 of them.
    #[schema(min_items = 1, max_items = 100)]
    checks: Vec<Check>,
    /// Whom they are about; the caller when left out. Others have to be members whom the caller may
    /// read.
    user_id: Option<UserId>,
}

/// The answers, in the order of the questions.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckResults {
    results: Vec<CheckResult>,
}

/// Whether it is allowed, and at which level the operation is; a view is at `a` where it is shown,
/// else at `n`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckResult {
    #[schema(example = true)]
    allowed: bool,
    level: Level,
}

impl From<Verdict> for CheckResult {
    fn from(verdict: Verdict) -> Self {
        Self { allowed: verdict.allowed, level: verdict.level }
    }
}

/// Answers up to 100 questions at once. A feature's table or view is looked up in the instance of
/// `X-Instance-Id`; without one, in the only instance that is open to the user and knows it.
#[utoipa::path(post, path = "/api/access/check", tag = "Access", request_body = CheckAccess,
    responses((status = 200, description = "The answers", body = CheckResults),
              (status = 404, description = "No such member, or not to be read")))]
async fn check_access(asking: Asking, Json(body): Json<CheckAccess>) -> Result<Json<CheckResults>> {
    if body.checks.is_empty() {
        return Err(FieldError::new("/checks", "too_few", "must ask at least one question").into());
    }
    if body.checks.len() > MAX_QUESTIONS {
        return Err(FieldError::new(
            "/checks",
            "too_many",
            format!("must ask at most {MAX_QUESTIONS} questions"),
        )
        .into());
    }
    let question = |(index, check): (usize, Check)| {
        Question::of_body(
            &format!("/checks/{index}"),
            check.table,
            check.operation,
            check.view,
            check.owner_id,
        )
    };
    let questions =
        body.checks.into_iter().enumerate().map(question).collect::<Result<Vec<_>, _>>()?;
    let mut subject = subject(&asking, body.user_id).await?;
    let verdicts = answered(&mut subject, &questions, |index| format!("/checks/{index}")).await?;
    Ok(Json(CheckResults { results: verdicts.into_iter().map(CheckResult::from).collect() }))
}
