//! Rate limits per caller and route class, by `tower_governor`: a user by id, anybody else by address (IPv6 by /64). The
//! `RateLimit` headers are those of draft-ietf-httpapi-ratelimit-headers-10.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use crate::app::App;
use crate::auth::session::Claims;
use crate::config::Settings;
use crate::context::policy::Class;
use crate::error::{Code, Error};
use crate::ids::UserId;

/// Who sent the request, as far as its token says; put there before any route is chosen.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub claims: Option<Claims>,
    pub address: Option<IpAddr>,
}

/// Whose budget a request is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payer {
    User(UserId),
    Address(IpAddr),
}

impl Identity {
    fn payer(&self) -> Payer {
        match (self.claims, self.address) {
            (Some(claims), _) => Payer::User(claims.user),
            (None, Some(address)) => Payer::Address(network_of(address)),
            (None, None) => Payer::Address(IpAddr::from([127, 0, 0, 1])),
        }
    }
}

/// One customer of an IPv6 provider has a whole /64.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        IpAddr::V4(_) => address,
    }
}

#[derive(Debug, Clone, Copy)]
struct ByPayer;

impl KeyExtractor for ByPayer {
    type Key = Payer;
    fn extract<T>(&self, request: &Request<T>) -> Result<Payer, GovernorError> {
        Ok(request.extensions().get::<Identity>().cloned().unwrap_or_default().payer())
    }
}

type Config = GovernorConfig<ByPayer, StateInformationMiddleware>;

/// The budgets of one node.
#[derive(Clone)]
pub struct Limits(Option<Arc<HashMap<Class, Budget>>>);

#[derive(Clone)]
struct Budget {
    per_minute: NonZeroU32,
    config: Arc<Config>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limits({})", if self.0.is_some() { "on" } else { "off" })
    }
}

/// A class on its way out with the response, so that the headers can name it.
#[derive(Debug, Clone, Copy)]
struct Charged(Class);

impl Limits {
    /// The budgets that the settings ask for.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        if !settings.rate_limits {
            return Self(None);
        }
        let budgets = Class::ALL.into_iter().filter_map(|class| Some((class, budget(per_minute(settings, class))?)));
        Self(Some(Arc::new(budgets.collect())))
    }

    /// Charges the routes of `router` to a class.
    pub(super) fn layer(&self, router: MethodRouter<App>, class: Class) -> MethodRouter<App> {
        let Some(budget) = self.0.as_ref().and_then(|budgets| budgets.get(&class)) else {
            return router;
        };
        let layer = GovernorLayer::new(budget.config.clone()).error_handler(|error| refusal(&error));
        let charged = move |mut response: Response| async move {
            response.extensions_mut().insert(Charged(class));
            response
        };
        router.route_layer(layer).route_layer(map_response(charged))
    }

    /// Writes the `RateLimit` headers. What no route was charged for (unknown routes, wrong methods) is charged to the
    /// default class here, so that guessing routes is limited too.
    pub(super) fn write_headers(&self, identity: &Identity, mut response: Response) -> Response {
        let Some(budgets) = &self.0 else { return response };
        let charged = response.extensions().get::<Charged>().map(|charged| charged.0);
        let class = charged.unwrap_or(Class::Default);
        let Some(budget) = budgets.get(&class) else { return response };
        let (remaining, wait) = match charged {
            Some(_) => counted(response.headers_mut()),
            None => match budget.config.limiter().check_key(&identity.payer()) {
                Ok(state) => (state.remaining_burst_capacity(), 0),
                Err(denied) => {
                    let wait = denied.wait_time_from(DefaultClock::default().now());
                    response = too_many(wait.as_secs() + 1).into_response();
                    (0, wait.as_secs() + 1)
                }
            },
        };
        let quota = budget.per_minute;
        let refill = if wait > 0 { wait } else { (60 / u64::from(quota.get())).max(1) };
        insert(response.headers_mut(), "ratelimit-policy", &format!("\"{}\";q={quota};w=60", class.name()));
        insert(response.headers_mut(), "ratelimit", &format!("\"{}\";r={remaining};t={refill}", class.name()));
        response
    }

    /// Forgets callers whose budget is full again; called now and then.
    pub fn forget_idle(&self) {
        for budget in self.0.iter().flat_map(|budgets| budgets.values()) {
            budget.config.limiter().retain_recent();
        }
    }
}

fn per_minute(settings: &Settings, class: Class) -> NonZeroU32 {
    let limits = &settings.rate_limits_per_minute;
    match class {
        Class::Read => limits.read,
        Class::ListMandates => limits.list_mandates,
        Class::MemberWrite => limits.member_write,
        Class::Write => limits.write,
        Class::Auth => limits.auth,
        Class::Check => limits.check,
        Class::Work => limits.work,
        Class::Default => limits.default,
    }
}

const MINUTE: Duration = Duration::from_mins(1);

/// n a minute: refilled evenly over 60 s, with a burst of n.
fn budget(per_minute: NonZeroU32) -> Option<Budget> {
    let config = GovernorConfigBuilder::default()
        .period(MINUTE / per_minute.get())
        .burst_size(per_minute.get())
        .key_extractor(ByPayer)
        .use_headers()
        .finish()?;
    Some(Budget { per_minute, config: Arc::new(config) })
}

/// Takes `tower_governor`'s own headers off the response: what remains, and how long to wait.
fn counted(headers: &mut HeaderMap) -> (u32, u64) {
    let mut number = |name: &str| headers.remove(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let remaining = number("x-ratelimit-remaining").unwrap_or(0);
    let wait = number("x-ratelimit-after").unwrap_or(0);
    number("x-ratelimit-limit");
    (u32::try_from(remaining).unwrap_or(u32::MAX), wait)
}

fn refusal(error: &GovernorError) -> axum::http::Response<Body> {
    match error {
        GovernorError::TooManyRequests { wait_time, .. } => {
            let mut response = too_many(wait_time + 1).into_response();
            response.headers_mut().insert("x-ratelimit-after", HeaderValue::from(wait_time + 1));
            response
        }
        other => Error::internal(other.to_string()).into_response(),
    }
}

fn too_many(seconds: u64) -> Error {
    Error::new(Code::TooManyRequests, format!("The limit of this class of routes is used up; try again in {seconds} s."))
        .retry_after(seconds)
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
