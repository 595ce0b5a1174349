//! The route table is the policy. `.guard(app, Policy::…)` is the only way to hang a handler onto a
//! path: it installs the rate limit and the guard, writes the OpenAPI security, `x-access` and the
//! refusals that the guard can give, and notes which query parameters the operation knows. A plain
//! `.route()` outside `http/` fails the architecture gate.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::RequestExt;
use axum::extract::{RawPathParams, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::attended::in_mandate;
use super::body::{BodyLimit, require_unencoded};
use super::dry_run::DryRun;
use super::extract::Query;
use super::forms::Forms;
use super::idempotency;
use super::rate_limit::{Identity, Purse, named_mandate};
use crate::context::RequestMeta;
use crate::context::enter::{Arrival, Entered, enter};
use crate::context::policy::{Class, Policy, has_effect};
use crate::http::app::App;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::MandateId;
use crate::openapi::{self, operations, refusals};

/// The routes of a slice.
pub type Routes = OpenApiRouter<App>;

/// Declares a route: what its handler refuses, whether it changes versions, and last its policy.
pub trait Guard {
    /// The handler refuses with these codes. Those of the guard come by themselves.
    #[must_use]
    fn refuses(self, codes: &[Code]) -> Self;
    /// The handler changes a resource that has a version, and lets the caller say which one is
    /// meant.
    #[must_use]
    fn versioned(self) -> Self;
    #[must_use]
    fn guard(self, app: &App, policy: Policy) -> Self;
}

#[derive(Clone)]
struct Guarding {
    app: App,
    policy: Arc<Policy>,
    query: Arc<BTreeSet<String>>,
    forms: Arc<Forms>,
}

impl Guard for UtoipaMethodRouter<App> {
    fn refuses(mut self, codes: &[Code]) -> Self {
        let items = self.1.paths.values_mut();
        items.flat_map(operations).for_each(|(_, operation)| refusals::add(operation, codes));
        self
    }

    fn versioned(mut self) -> Self {
        let (schemas, paths, _) = &mut self;
        for (_, operation) in paths.paths.values_mut().flat_map(operations) {
            openapi::declare_versions(operation, schemas);
        }
        self
    }

    fn guard(self, app: &App, policy: Policy) -> Self {
        let (schemas, mut paths, router) = self;
        let (mut query, mut forms) = (BTreeSet::new(), Forms::default());
        let mut class = policy.class;
        for item in paths.paths.values_mut() {
            for (method, operation) in operations(item) {
                let by_method = if method == Method::GET { Class::Read } else { Class::Write };
                let class = *class.get_or_insert(by_method);
                query.extend(query_parameters(operation));
                forms.note(operation);
                openapi::declare(operation, &method, &policy, class);
            }
        }
        let class = class.unwrap_or(Class::Default);
        let policy = Arc::new(policy);
        let state = Guarding {
            app: app.clone(),
            policy: policy.clone(),
            query: Arc::new(query),
            forms: Arc::new(forms),
        };
        let router = router.route_layer(from_fn_with_state(state, let_in));
        (schemas, paths, app.limits().layer(router, class, &policy, app.services()))
    }
}

/// Lets the request in with its context, or refuses it.
async fn let_in(State(guarding): State<Guarding>, request: Request, next: Next) -> Response {
    admitted(guarding, request, next).await.into_response()
}

async fn admitted(guarding: Guarding, mut request: Request, next: Next) -> Result<Response> {
    request.extensions_mut().insert(guarding.forms.clone());
    let path = path_parameters(&mut request).await?;
    let identity = request.extensions().get::<Identity>().cloned().unwrap_or_default();
    let meta = request.extensions().get::<RequestMeta>().cloned().unwrap_or_default();
    if !guarding.policy.is_public() && identity.claims.is_none() {
        return Err(crate::context::enter::unauthenticated());
    }
    only_known_parameters(request.uri().query(), &guarding.query)?;
    let Query(dry_run) = request.extract_parts::<Query<DryRun>>().await?;
    let whose = identity.claims.map(|claims| idempotency::Whose::of(&claims, &guarding.policy));
    let arrival = Arrival {
        claims: identity.claims,
        headers: request.headers(),
        path: &path,
        dry_run: dry_run.is_wanted(),
        meta,
    };
    let entered = enter(guarding.app.services(), &guarding.policy, arrival).await;
    if let Some(mandate) = entered.as_ref().ok().and_then(|entered| entered.mandate(&path)) {
        in_mandate(mandate);
    }
    if let Some(purse) = request.extensions().get::<Purse>() {
        purse.settle(member_of(&guarding, &request, &entered))?;
    }
    if entered.is_ok() && has_effect(request.method()) {
        require_unencoded(request.headers())?;
    }
    if let Some(bytes) = guarding.policy.body_limit {
        request.extensions_mut().insert(BodyLimit(bytes));
    }
    // Whoever may call it but finds nothing there may have taken it away by the same request.
    let may_call =
        entered.as_ref().map_or_else(|refusal| refusal.code() == Code::NotFound, |_| true);
    if may_call
        && let Some(key) = idempotency::sent(&request, &guarding.policy)?
        && !dry_run.is_wanted()
        && let Some(whose) = whose
    {
        return idempotency::answer(&guarding.app, whose, &key, request, entered, next).await;
    }
    request.extensions_mut().insert(entered?);
    Ok(next.run(request).await)
}

/// Of which mandate the caller turned out to be a member, whether or not the operation is open to
/// them there.
fn member_of(
    guarding: &Guarding,
    request: &Request,
    entered: &Result<Entered>,
) -> Option<MandateId> {
    if let Some(mandate) = entered.as_ref().ok().and_then(Entered::member_of) {
        return Some(mandate);
    }
    let user = request.extensions().get::<Identity>()?.claims?.user;
    let has_session =
        entered.as_ref().err().is_none_or(|refusal| refusal.code() != Code::Unauthenticated);
    named_mandate(request.headers())
        .filter(|mandate| has_session && guarding.app.services().lets_in(user, *mandate))
}

async fn path_parameters(request: &mut Request) -> Result<HashMap<String, String>> {
    let parameters = request.extract_parts::<RawPathParams>().await;
    let parameters = parameters.map_err(|_| {
        Error::new(Code::InvalidParameter, "The path is not valid UTF-8 once decoded.")
    })?;
    Ok(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// A parameter that the route does not know might have been meant to change what it does
/// (`dryRun`): refused before anything happens.
fn only_known_parameters(query: Option<&str>, known: &BTreeSet<String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (name, _) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if !known.contains(name.as_ref()) {
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
            };
            let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(Error::new(
                Code::UnknownParameter,
                format!("`{shown}` is not a query parameter of this route; known: {known}."),
            ));
        }
        if !seen.insert(name.to_string()) {
            return Err(Error::new(Code::InvalidParameter, format!("`{name}` is given twice.")));
        }
    }
    Ok(())
}

fn query_parameters(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
                Some(parameter.name.clone())
            }
            _ => None,
        })
        .collect()
}
