//! AuthZEN: the OpenID Foundation's Authorization API 1.0, over the same answers. Sections are that
//! specification's.
//!
//! | there | here |
//! |---|---|
//! | subject (5.1): `type` `user`, `id` | the caller, or a member they may read |
//! | resource (5.2): `type`, `properties.ownerId` | the table, and whose row; no `id` |
//! | action (5.3): `name` | `read`, `create`, `update` or `delete` |
//! | context (5.4): `mandate`, `instance` | that of `X-Mandate-Id`, and an instance |
//!
//! What is not known is denied, with a reason (5.5.1); a question of several that cannot be asked
//! is denied alone (7.2.1).

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::MAX_QUESTIONS;
use super::authzen::{Call, Decided, Defaults, Undecided};
use super::authzen_body::{EvaluateAccess, EvaluateAccesses, PartOfEvaluation};
use super::authzen_decision::{AuthzenAnswer, AuthzenDecision, AuthzenDecisions};
use super::deciding::decide;
use crate::context::asking::Asking;
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::extract::{Json, parse_part};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Error, FieldError, Result};

pub(super) fn routes(app: &App) -> Routes {
    let asked = || Policy::asking_about_access();
    Routes::new()
        .routes(
            routes!(evaluate_access)
                .refuses(&[Code::NotFound, Code::InstanceContextMissing, Code::MandateAccessDenied])
                .guard(app, asked()),
        )
        .routes(
            routes!(evaluate_accesses)
                .refuses(&[Code::NotFound, Code::InstanceContextMissing, Code::MandateAccessDenied])
                .guard(app, asked()),
        )
        .routes(
            routes!(get_authzen_configuration).guard(app, Policy::public().class(Class::Public)),
        )
}

async fn decide_one(asking: &Asking, call: Call) -> Result<AuthzenDecision> {
    let decided = decide(asking, vec![Ok(call)]).await?.pop();
    AuthzenDecision::of_one(decided.ok_or_else(|| Error::internal("a question was asked"))?)
}

/// Access evaluation: whether somebody may do something (AuthZEN 1.0, section 6). A subject, a
/// resource or an action that is not known is denied, with a reason.
#[utoipa::path(post, path = "/access/v1/evaluation", tag = "Access", request_body = EvaluateAccess,
    responses((status = 200, description = "The decision", body = AuthzenDecision),
              (status = 404, description = "No such instance")))]
async fn evaluate_access(
    asking: Asking,
    Json(body): Json<EvaluateAccess>,
) -> Result<Json<AuthzenDecision>> {
    let call = Call::new(String::new(), body.subject, body.action, body.resource, body.context);
    decide_one(&asking, call).await.map(Json)
}

/// Access evaluations: up to 100 questions at once (AuthZEN 1.0, section 7). Each answers for
/// itself: one that is wrong is denied, with a reason.
#[utoipa::path(post, path = "/access/v1/evaluations", tag = "Access",
    request_body = EvaluateAccesses,
    responses((status = 200, description = "The decisions, as far as they were gone through",
        body = AuthzenAnswer),
              (status = 404, description = "No such instance")))]
async fn evaluate_accesses(
    asking: Asking,
    Json(body): Json<EvaluateAccesses>,
) -> Result<Json<AuthzenAnswer>> {
    if body.evaluations.len() > MAX_QUESTIONS {
        return Err(FieldError::new(
            "/evaluations",
            "too_many",
            format!("must ask at most {MAX_QUESTIONS} questions"),
        )
        .into());
    }
    let defaults = Defaults {
        subject: body.subject,
        action: body.action,
        resource: body.resource,
        context: body.context,
    };
    if body.evaluations.is_empty() {
        let call = defaults.completed(String::new(), Defaults::default())?;
        return decide_one(&asking, call).await.map(|decision| Json(AuthzenAnswer::One(decision)));
    }
    let calls = body
        .evaluations
        .iter()
        .enumerate()
        .map(|(index, part)| call_of(&defaults, index, part))
        .collect();
    let mut evaluations: Vec<_> =
        decide(&asking, calls).await?.into_iter().map(AuthzenDecision::of_several).collect();
    let last = evaluations
        .iter()
        .position(|decision| body.options.evaluations_semantic.ends_with(decision.decision));
    evaluations.truncate(last.map_or(evaluations.len(), |last| last + 1));
    Ok(Json(AuthzenAnswer::Several(AuthzenDecisions { evaluations })))
}

fn call_of(defaults: &Defaults, index: usize, part: &Value) -> Decided<Call> {
    let base = format!("/evaluations/{index}");
    let PartOfEvaluation { subject, action, resource, context } =
        parse_part(part, &base).map_err(Undecided::Refused)?;
    defaults
        .completed(base, Defaults { subject, action, resource, context })
        .map_err(Undecided::Unknown)
}

/// Where the endpoints are (9).
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthzenConfiguration {
    #[schema(example = "https://id.example.org")]
    policy_decision_point: String,
    #[schema(example = "https://id.example.org/access/v1/evaluation")]
    access_evaluation_endpoint: String,
    #[schema(example = "https://id.example.org/access/v1/evaluations")]
    access_evaluations_endpoint: String,
}

/// The metadata of this decision point (AuthZEN 1.0, section 9).
#[utoipa::path(get, path = "/.well-known/authzen-configuration", tag = "Access",
    responses((status = 200, description = "The metadata", body = AuthzenConfiguration)))]
async fn get_authzen_configuration(State(app): State<App>) -> Json<AuthzenConfiguration> {
    let base = app.issuer();
    Json(AuthzenConfiguration {
        policy_decision_point: base.to_owned(),
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
    })
}
