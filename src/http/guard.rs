//! The route table is the policy. `.guard(app, Policy::…)` is the only way to hang a handler onto a
//! path: it installs the rate limit and the guard, writes the OpenAPI security, `x-access` and the
//! refusals that the guard can give, and notes which query parameters the operation knows. A plain
//! `.route()` outside `http/` fails the architecture gate.
//!
//! Handlers take the context that the policy gives:
//!
//! ```
//! # use bailiwick::context::{SystemContext, policy::Policy};
//! # use bailiwick::http::{app::App, extract::NoContent, guard::{Guard, Routes}};
//! # use utoipa_axum::routes;
//! #[utoipa::path(delete, path = "/api/things")]
//! async fn delete_things(_: SystemContext) -> NoContent {
//!     NoContent
//! }
//! # fn routes(app: &App) -> Routes {
//! Routes::new().routes(routes![delete_things].guard(app, Policy::sys()))
//! # }
//! ```
//!
//! Another one does not compile, nor does any without a guard:
//!
//! ```compile_fail
//! # use bailiwick::context::{MandateContext, policy::Policy};
//! # use bailiwick::http::{app::App, extract::NoContent, guard::{Guard, Routes}};
//! # use utoipa_axum::routes;
//! #[utoipa::path(delete, path = "/api/things")]
//! async fn delete_things(_: MandateContext) -> NoContent {
//!     NoContent
//! }
//! # fn routes(app: &App) -> Routes {
//! Routes::new().routes(routes![delete_things].guard(app, Policy::sys()))
//! # }
//! ```
//! ```compile_fail
//! # use bailiwick::context::{SystemContext, policy::Policy};
//! # use bailiwick::http::{app::App, extract::NoContent, guard::{Guard, Routes}};
//! # use utoipa_axum::routes;
//! #[utoipa::path(delete, path = "/api/things")]
//! async fn delete_things(_: SystemContext) -> NoContent {
//!     NoContent
//! }
//! # fn routes(app: &App) -> Routes {
//! Routes::new().routes(routes![delete_things])
//! # }
//! ```

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::body::{BodyLimit, require_unencoded, wait_for_body};
use super::dry_run::DryRun;
use super::extract::Query;
use super::forms::Forms;
use super::idempotency;
use super::impersonated::{Impersonated, Operations};
use super::parameters;
use super::paths::take_origins;
use super::placed::{note_mandate, note_place};
use super::rate_limit::{Identity, Purse, RouteCharge};
use crate::context::asking::Asking;
use crate::context::authorize::{
    Accounts, ChosenContext, Context, DeferredCaller, OwnAccount, Reach, RequestFacts,
    unauthenticated,
};
use crate::context::impersonation::Impersonator;
use crate::context::path::{Origin, Origins, RequestPath};
use crate::context::policy::{Class, Clause, Policy, Terms, has_effect};
use crate::context::{
    Caller, Guest, InstanceContext, MandateContext, Moment, RequestMeta, RoleContext,
    SessionContext, SystemContext, Visitor,
};
use crate::http::app::App;
use crate::kernel::error::{Code, Error, Result};
use crate::openapi::{self, operations, refusals};

/// The routes of a slice.
pub type Routes = OpenApiRouter<App>;

/// What handlers of routes whose policy gives `C` work with. (A state of its own for each context,
/// since what can be extracted hangs on the state.)
#[derive(Debug)]
pub struct Giving<C> {
    app: App,
    context: PhantomData<fn() -> C>,
}

impl<C> Clone for Giving<C> {
    fn clone(&self) -> Self {
        Self { app: self.app.clone(), context: PhantomData }
    }
}

impl<C> FromRef<Giving<C>> for App {
    fn from_ref(state: &Giving<C>) -> Self {
        state.app.clone()
    }
}

macro_rules! given {
    ($($context:ty),+ $(,)?) => {$(
        impl FromRequestParts<Giving<$context>> for $context {
            type Rejection = Error;
            async fn from_request_parts(
                parts: &mut Parts,
                _: &Giving<$context>,
            ) -> Result<Self> {
                let given = parts.extensions.get::<Self>().cloned();
                given.ok_or_else(|| Error::internal("the guard has let nobody in"))
            }
        }
    )+};
}

given! {
    Visitor, Guest, Impersonator, Caller, ChosenContext, SessionContext, DeferredCaller, Asking,
    SystemContext, Accounts, OwnAccount, MandateContext, Reach, InstanceContext, RoleContext,
}

/// Declares a route: what its handler refuses, whether it changes versions, and last its policy,
/// which gives the context that the handler takes.
pub trait Guard<C> {
    /// The handler refuses with these codes. Those of the guard come by themselves.
    #[must_use]
    fn refuses(self, codes: &[Code]) -> Self;
    /// The handler changes a resource that has a version, and lets the caller say which one is
    /// meant.
    #[must_use]
    fn versioned(self) -> Self;
    fn guard(self, app: &App, policy: Policy<C>) -> UtoipaMethodRouter<App>;
}

/// What lets requests of a route in, or refuses them. (Behind one pointer, since each request has
/// it.)
struct Guarding {
    app: App,
    terms: Terms,
    step_up_lasts: chrono::Duration,
    /// What it charges, where anything is limited.
    charge: Option<Arc<RouteCharge>>,
    origins: Origins,
    query: BTreeSet<String>,
    forms: Arc<Forms>,
    /// Whether the operation has a body.
    takes_body: bool,
    operations: Operations,
}

/// Whose body takes longer to come is asked about once more: whoever holds one back keeps nothing
/// that was taken from them meanwhile.
const PROMPT: Duration = Duration::from_millis(250);

impl<C: Context> Guard<C> for UtoipaMethodRouter<Giving<C>> {
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

    fn guard(self, app: &App, policy: Policy<C>) -> UtoipaMethodRouter<App> {
        let (schemas, mut paths, router) = self;
        let terms = policy.terms();
        let (mut query, mut forms) = (BTreeSet::new(), Forms::default());
        let (mut class, mut origins) = (terms.class, Origins::new());
        let (mut takes_body, mut ids) = (false, Operations::new());
        for (path, item) in &mut paths.paths {
            for (method, operation) in operations(item) {
                let by_method = if method == Method::GET { Class::Read } else { Class::Write };
                let class = *class.get_or_insert(by_method);
                query.extend(parameters::declared(operation));
                forms.note(operation);
                takes_body |= operation.request_body.is_some();
                let id = operation.operation_id.clone().unwrap_or_default();
                ids.insert(method.as_str().to_owned(), id);
                origins.extend(take_origins(operation));
                require_origins::<C>(&terms, &origins, &method, path);
                openapi::declare(operation, &method, &terms, &origins, class);
            }
        }
        let class = class.unwrap_or(Class::Default);
        let state = Arc::new(Guarding {
            app: app.clone(),
            charge: app.limits().at_the_door(class, &terms, app.services()),
            terms,
            step_up_lasts: app.settings().step_up_lasts(),
            origins,
            query,
            forms: Arc::new(forms),
            takes_body,
            operations: ids,
        });
        let router = router.with_state(Giving { app: app.clone(), context: PhantomData });
        (schemas, paths, router.route_layer(from_fn_with_state(state, let_in::<C>)))
    }
}

/// The path has to name what the context comes from, and nothing that the context passes over.
/// Where one does not, no router is put together.
fn require_origins<C: Context>(terms: &Terms, origins: &Origins, method: &Method, path: &str) {
    let oneself = terms.has(Clause::Oneself).then_some(Origin::User);
    for origin in C::origin(terms).into_iter().chain(oneself) {
        assert!(
            origins.contains_key(&origin),
            "{method} {path} has a policy that takes the {} from the path, which names none",
            origin.name()
        );
    }
    for origin in C::passed_over(terms) {
        assert!(
            !origins.contains_key(origin),
            "{method} {path} has a policy that does not look at the {} of the path",
            origin.name()
        );
    }
}

/// Lets the request in with its context, or refuses it.
async fn let_in<C: Context>(
    State(guarding): State<Arc<Guarding>>,
    request: Request,
    next: Next,
) -> Response {
    if !guarding.terms.looks_at_tokens() {
        return admitted::<C>(&guarding, request, next).await.into_response();
    }
    let route = (&guarding.operations, &guarding.origins);
    let (told, request) = Impersonated::of(&guarding.app, request, route).await;
    let response = admitted::<C>(&guarding, request, next).await.into_response();
    told.answered(response).await
}

async fn admitted<C: Context>(
    guarding: &Guarding,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let purse = request.extensions().get::<Purse>().cloned();
    if let (Some(purse), Some(charge)) = (&purse, &guarding.charge) {
        purse.at_the_door(charge, &mut request)?;
    }
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(guarding.forms.clone());
    let path = parameters::of_path(&mut parts).await?;
    let path = RequestPath { origins: &guarding.origins, values: &path };
    let identity = parts.extensions.get::<Identity>().cloned().unwrap_or_default();
    let meta = parts.extensions.get::<RequestMeta>().cloned().unwrap_or_default();
    let moment = parts.extensions.get::<Moment>().cloned();
    let moment = moment.ok_or_else(|| Error::internal("the request has no time"))?;
    if !guarding.terms.is_public() && identity.claims.is_none() {
        return Err(unauthenticated());
    }
    parameters::only_known(parts.uri.query(), &guarding.query)?;
    let Query(dry_run) = Query::<DryRun>::from_request_parts(&mut parts, &()).await?;
    let mut request = Request::from_parts(parts, body);
    let whose = identity.claims.map(|claims| idempotency::Whose::of(&claims, &guarding.terms));
    let facts = Facts { guarding, identity: &identity, path, dry_run: dry_run.is_wanted(), meta };
    let mut authorized = C::authorize(facts.of(&request, moment.clone())).await;
    note_mandate(&guarding.app, &request, path, &authorized)?;
    if authorized.is_ok() && has_effect(request.method()) {
        require_unencoded(request.headers())?;
    }
    if let Some(bytes) = guarding.terms.body_limit {
        request.extensions_mut().insert(BodyLimit(bytes));
    }
    if authorized.is_ok()
        && guarding.takes_body
        && wait_for_body(&mut request, &guarding.app).await > PROMPT
    {
        let later = guarding.app.services().moment();
        authorized = C::authorize(facts.of(&request, later)).await;
        note_place(&request, path, &authorized);
    }
    // Whoever may call it but finds nothing there may have taken it away by the same request.
    let may_call =
        authorized.as_ref().map_or_else(|refusal| refusal.code() == Code::NotFound, |_| true);
    if may_call
        && let Some(key) = idempotency::sent(&request, &guarding.terms)?
        && !dry_run.is_wanted()
        && let Some(whose) = whose
    {
        let asked = idempotency::Asked { whose, key: &key, at: moment.now() };
        // In a box, since it is large and most requests do without.
        let remembered = idempotency::answer(&guarding.app, asked, request, authorized, next);
        return Box::pin(remembered).await;
    }
    request.extensions_mut().insert(authorized?);
    Ok(next.run(request).await)
}

/// What decides about a request, but its headers and the time.
struct Facts<'a> {
    guarding: &'a Guarding,
    identity: &'a Identity,
    path: RequestPath<'a>,
    dry_run: bool,
    meta: RequestMeta,
}

impl<'a> Facts<'a> {
    fn of(&self, request: &'a Request, moment: Moment) -> RequestFacts<'a> {
        RequestFacts {
            services: self.guarding.app.services(),
            terms: &self.guarding.terms,
            claims: self.identity.claims,
            method: request.method(),
            headers: request.headers(),
            path: self.path,
            dry_run: self.dry_run,
            step_up_lasts: self.guarding.step_up_lasts,
            meta: self.meta.clone(),
            moment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tables::{Instances, Read, Roles};
    use crate::kernel::ids::InstanceId;
    use crate::path_params;

    path_params! {
        /// What a parameter is called tells nothing.
        Elsewhere {
            /// An instance
            #[param(inline)]
            mandate_id: InstanceId,
        }
    }

    crate::feature_tables!("diary" { Days = "days" });

    path_params! {
        /// To two instances at once.
        Two {
            /// An instance
            #[param(inline)]
            instance_id: InstanceId,
            /// Another one
            #[param(inline)]
            other_id: InstanceId,
        }
    }

    #[utoipa::path(get, path = "/api/two/{instanceId}/{otherId}", params(Two))]
    async fn get_two() {}

    #[utoipa::path(get, path = "/api/elsewhere/{mandateId}", params(Elsewhere))]
    async fn get_elsewhere() {}

    fn declare<C: Context>(policy: Policy<C>) -> Origins {
        let (_, paths, _): UtoipaMethodRouter<()> = utoipa_axum::routes![get_elsewhere];
        let (path, mut item) = paths.paths.into_iter().next().unwrap();
        let (method, operation) = operations(&mut item).next().unwrap();
        let origins = take_origins(operation);
        require_origins::<C>(&policy.terms(), &origins, &method, &path);
        assert!(!serde_json::to_string(operation).unwrap().contains("x-origin"));
        origins
    }

    #[test]
    fn a_context_comes_from_what_a_parameter_is_whatever_it_is_called() {
        let origins = declare(Policy::<InstanceContext>::table::<Instances, Read>());
        assert_eq!(origins, Origins::from([(Origin::Instance, "mandateId".to_owned())]));
    }

    #[test]
    #[should_panic(
        expected = "GET /api/elsewhere/{mandateId} has a policy that takes the mandate from the \
                    path, which names none"
    )]
    fn a_route_whose_path_does_not_name_its_mandate_is_not_put_together() {
        declare(Policy::<MandateContext>::table::<Instances, Read>().or_sys());
    }

    #[test]
    #[should_panic(expected = "does not look at the instance of the path")]
    fn a_list_of_all_mandates_is_not_put_together_below_one_thing() {
        declare(Policy::<Reach>::table::<Instances, Read>().or_sys());
    }

    #[test]
    #[should_panic(expected = "does not look at the instance of the path")]
    fn what_a_feature_has_is_not_put_together_below_an_instance() {
        declare(Policy::<InstanceContext>::feature::<Days, Read>());
    }

    #[test]
    #[should_panic(expected = "does not look at the instance of the path")]
    fn a_role_is_not_put_together_below_an_instance() {
        let origins = Origins::from([Origin::Role, Origin::Instance].map(|it| (it, String::new())));
        let policy = Policy::<RoleContext>::table::<Roles, Read>();
        require_origins::<RoleContext>(&policy.terms(), &origins, &Method::GET, "/api/roles");
    }

    #[test]
    #[should_panic(expected = "`otherId` is a second instance in the path")]
    fn a_path_with_two_of_a_kind_is_not_put_together() {
        let (_, paths, _): UtoipaMethodRouter<()> = utoipa_axum::routes![get_two];
        let (_, mut item) = paths.paths.into_iter().next().unwrap();
        take_origins(operations(&mut item).next().unwrap().1);
    }

    #[test]
    #[should_panic(expected = "takes the user from the path")]
    fn a_route_about_oneself_names_a_user() {
        declare(Policy::sys_or_oneself());
    }
}
