//! AuthZEN: the OpenID Foundation's Authorization API 1.0, over the same answers. Sections are that specification's.
//!
//! | there | here |
//! |---|---|
//! | subject (5.1): `type` `user`, `id` | a member of the mandate, whom the caller may read |
//! | resource (5.2): `type`, `properties.ownerId` | the table, and whose row it is; `id` is not looked at |
//! | action (5.3): `name` | `read`, `create`, `update` or `delete` |
//! | context (5.4): `mandate`, `instance` | the mandate of `X-Mandate-Id`, and one of its instances |

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::authzen::{AuthzenContext, Call, Defaults, Semantics};
use super::{MAX_QUESTIONS, Question, answered, member};
use crate::access::Level;
use crate::access::decision::Verdict;
use crate::access::tables::{Members, Read};
use crate::app::App;
use crate::context::asking::Asking;
use crate::context::policy::{Class, Policy};
use crate::error::{FieldError, Result};
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::ids::{InstanceId, UserId};

pub(super) fn routes(app: &App) -> Routes {
    let asked = || Policy::table::<Members, Read>().asks_about_access();
    Routes::new()
        .routes(routes!(evaluate_access).guard(app, asked()))
        .routes(routes!(evaluate_accesses).guard(app, asked()))
        .routes(routes!(get_authzen_configuration).guard(app, Policy::public().class(Class::Public)))
}

/// Who wants to do something (5.1).
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AuthzenSubject {
    #[serde(rename = "type")]
    #[schema(example = "user")]
    pub kind: String,
    /// The user's id.
    #[schema(example = "01900000-0000-7000-8000-00000000a003")]
    pub id: String,
    #[serde(default)]
    #[expect(dead_code, reason = "taken, as the specification says, and not looked at")]
    properties: Map<String, Value>,
}

/// To what (5.2).
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AuthzenResource {
    /// The table.
    #[serde(rename = "type")]
    #[schema(example = "members")]
    pub kind: String,
    /// Not looked at: whose row it is decides, not which.
    #[schema(example = "any")]
    #[expect(dead_code, reason = "required by the specification, and not looked at")]
    id: String,
    /// `ownerId`: whose row it is; without it, any row that the action may reach.
    #[serde(default)]
    pub properties: Map<String, Value>,
}

/// What they want to do (5.3).
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct AuthzenAction {
    /// `read`, `create`, `update` or `delete`.
    #[schema(example = "read")]
    pub name: String,
    #[serde(default)]
    #[expect(dead_code, reason = "taken, as the specification says, and not looked at")]
    properties: Map<String, Value>,
}

/// A question (6.1).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateAccess {
    subject: AuthzenSubject,
    action: AuthzenAction,
    resource: AuthzenResource,
    /// `mandate`, which has to be the one of `X-Mandate-Id`, and `instance`.
    #[serde(default)]
    context: AuthzenContext,
}

/// Several questions, and what is the same in all of them (7.1).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateAccesses {
    subject: Option<AuthzenSubject>,
    action: Option<AuthzenAction>,
    resource: Option<AuthzenResource>,
    context: Option<AuthzenContext>,
    /// At most 100; none: the question that the other members ask by themselves.
    #[serde(default)]
    #[schema(max_items = 100)]
    evaluations: Vec<PartOfEvaluation>,
    #[serde(default)]
    options: EvaluationOptions,
}

/// What differs from the defaults (7.1.1).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartOfEvaluation {
    subject: Option<AuthzenSubject>,
    action: Option<AuthzenAction>,
    resource: Option<AuthzenResource>,
    context: Option<AuthzenContext>,
}

/// How the questions are gone through (7.1.2).
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct EvaluationOptions {
    #[serde(default)]
    evaluations_semantic: Semantics,
}

/// The answer (5.5): whether it is allowed, and at which level the operation is.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthzenDecision {
    #[schema(example = true)]
    decision: bool,
    context: AuthzenDecisionContext,
}

/// Beside the decision (5.5.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthzenDecisionContext {
    level: Level,
}

/// The answers in the order of the questions (7.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthzenDecisions {
    evaluations: Vec<AuthzenDecision>,
}

/// One answer, or several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AuthzenAnswer {
    Several(AuthzenDecisions),
    One(AuthzenDecision),
}

impl From<Verdict> for AuthzenDecision {
    fn from(verdict: Verdict) -> Self {
        Self { decision: verdict.allowed, context: AuthzenDecisionContext { level: verdict.level } }
    }
}

/// Whom a question is about, and in which instance.
type Place = (UserId, Option<InstanceId>);

/// Decides all questions, in their order. Those about the same subject in the same place are answered together.
async fn decide(asking: &Asking, calls: &[Call]) -> Result<Vec<AuthzenDecision>> {
    let mut places: BTreeMap<Place, Vec<(usize, Question)>> = BTreeMap::new();
    for (index, call) in calls.iter().enumerate() {
        call.context.require_agreement(asking)?;
        places.entry((call.subject()?, call.context.instance)).or_default().push((index, call.question()?));
    }
    let mut decisions = BTreeMap::new();
    for ((user, instance), asked) in places {
        let mut subject = member(asking, user).await?;
        if let Some(instance) = instance {
            subject = subject.in_instance(instance).await?;
        }
        let (indices, questions): (Vec<usize>, Vec<Question>) = asked.into_iter().unzip();
        let verdicts = answered(&mut subject, &questions, |nth| calls[indices[nth]].at("/resource/type")).await?;
        decisions.extend(indices.into_iter().zip(verdicts.into_iter().map(AuthzenDecision::from)));
    }
    Ok(decisions.into_values().collect())
}

/// Access evaluation: whether a member may do something (AuthZEN 1.0, section 6).
#[utoipa::path(post, path = "/access/v1/evaluation", tag = "Access", request_body = EvaluateAccess,
    responses((status = 200, description = "The decision", body = AuthzenDecision), (status = 404, description = "No such member, or not to be read: not_found"),
              (status = 400, description = "instance_context_missing"), (status = 403, description = "permission_denied")))]
async fn evaluate_access(asking: Asking, Json(body): Json<EvaluateAccess>) -> Result<Json<AuthzenDecision>> {
    let call = Call::new(String::new(), body.subject, body.action, body.resource, body.context);
    decide(&asking, &[call]).await.map(|mut decisions| Json(decisions.remove(0)))
}

/// Access evaluations: up to 100 questions at once (AuthZEN 1.0, section 7).
#[utoipa::path(post, path = "/access/v1/evaluations", tag = "Access", request_body = EvaluateAccesses,
    responses((status = 200, description = "The decisions, as far as they were gone through", body = AuthzenAnswer),
              (status = 404, description = "No such member, or not to be read: not_found"), (status = 400, description = "instance_context_missing"), (status = 403, description = "permission_denied")))]
async fn evaluate_accesses(asking: Asking, Json(body): Json<EvaluateAccesses>) -> Result<Json<AuthzenAnswer>> {
    if body.evaluations.len() > MAX_QUESTIONS {
        return Err(FieldError::new("/evaluations", "too_many", format!("must ask at most {MAX_QUESTIONS} questions")).into());
    }
    let defaults = Defaults { subject: body.subject, action: body.action, resource: body.resource, context: body.context };
    if body.evaluations.is_empty() {
        let call = defaults.completed(String::new(), Defaults::default())?;
        return decide(&asking, &[call]).await.map(|mut decisions| Json(AuthzenAnswer::One(decisions.remove(0))));
    }
    let mut calls = Vec::with_capacity(body.evaluations.len());
    for (index, PartOfEvaluation { subject, action, resource, context }) in body.evaluations.into_iter().enumerate() {
        let own = Defaults { subject, action, resource, context };
        calls.push(defaults.completed(format!("/evaluations/{index}"), own)?);
    }
    let mut evaluations = decide(&asking, &calls).await?;
    let last = evaluations.iter().position(|decision| body.options.evaluations_semantic.ends_with(decision.decision));
    evaluations.truncate(last.map_or(evaluations.len(), |last| last + 1));
    Ok(Json(AuthzenAnswer::Several(AuthzenDecisions { evaluations })))
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
    let base = app.tokens().issuer();
    Json(AuthzenConfiguration {
        policy_decision_point: base.to_owned(),
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
    })
}
