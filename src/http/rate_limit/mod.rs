//! Rate limits per caller and route class: a user by id, anybody else by address (IPv6 by /64). For a class in which a SysAdmin set
//! a limit of a mandate, its members have a budget of their own for requests in its context. A budget is divided by the nodes that are
//! alive, each of which gives its share: approximate, since nobody asks another node before an answer.
//!
//! The buckets are `tower_governor`'s; the `RateLimit` headers are those of draft-ietf-httpapi-ratelimit-headers-11.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request as AnyRequest, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use tower_governor::GovernorError;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;

use crate::app::App;
use crate::auth::session::Claims;
use crate::config::Settings;
use crate::context::policy::{Class, PerMinute, Policy};
use crate::error::{Code, Error};
use crate::ids::{MandateId, UserId};

/// Who sent the request, as far as its token says; put there before any route is chosen.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub claims: Option<Claims>,
    pub address: Option<IpAddr>,
}

/// Whose budget a request is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Payer {
    who: Who,
    /// Where the mandate has a limit of its own.
    within: Option<MandateId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    User(UserId),
    Address(IpAddr),
}

impl Identity {
    fn who(&self) -> Who {
        match (self.claims, self.address) {
            (Some(claims), _) => Who::User(claims.user),
            (None, Some(address)) => Who::Address(network_of(address)),
            (None, None) => Who::Address(IpAddr::from([127, 0, 0, 1])),
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

/// The key of the buckets. (They are asked by us, not by a layer that would take the key from the request.)
#[derive(Debug, Clone, Copy)]
struct ByPayer;

impl KeyExtractor for ByPayer {
    type Key = Payer;
    fn extract<T>(&self, request: &AnyRequest<T>) -> Result<Payer, GovernorError> {
        let identity = request.extensions().get::<Identity>().cloned().unwrap_or_default();
        Ok(Payer { who: identity.who(), within: None })
    }
}

/// Everybody's buckets of one class and size.
type Buckets = GovernorConfig<ByPayer, StateInformationMiddleware>;

/// The budgets of one node.
#[derive(Clone)]
pub struct Limits(Option<Arc<Budgets>>);

struct Budgets {
    settings: PerMinute,
    mandates: RwLock<HashMap<MandateId, PerMinute>>,
    /// How many share every budget.
    nodes: AtomicU32,
    /// By class and size, made when they are first needed: few, since sizes come from settings and SysAdmins.
    buckets: RwLock<HashMap<(Class, NonZeroU32), Arc<Buckets>>>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limits({})", if self.0.is_some() { "on" } else { "off" })
    }
}

/// What a request was charged.
#[derive(Debug, Clone, Copy)]
struct Charged {
    class: Class,
    /// Requests a minute, of all nodes together.
    quota: NonZeroU32,
    /// What this node gives of it.
    share: NonZeroU32,
    /// By a mandate's own limit.
    of_mandate: bool,
    /// What this node still gives, or in how many seconds it gives again.
    outcome: Result<u32, u64>,
}

/// Travels with a request, so that whatever becomes of it (a time limit, a panic) its charge is known in the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Bill(Arc<Mutex<Option<Charged>>>);

impl Bill {
    fn note(&self, charged: Charged) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(charged);
    }
    fn charged(&self) -> Option<Charged> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On an answer whose request the guard let in as a member of the mandate that its header names.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsMember;

/// On the answer to a browser's question before the request that it is about (CORS): asked without credentials, by everybody behind
/// an address alike, and free.
#[derive(Debug, Clone, Copy)]
pub(super) struct Free;

/// What a class of routes charges with.
#[derive(Clone)]
struct Toll {
    budgets: Arc<Budgets>,
    class: Class,
    /// Whether its requests can be those of a mandate's members.
    in_mandates: bool,
}

impl Limits {
    /// The budgets that the settings ask for.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        if !settings.rate_limits {
            return Self(None);
        }
        Self(Some(Arc::new(Budgets {
            settings: Class::ALL.into_iter().map(|class| (class, per_minute(settings, class))).collect(),
            mandates: RwLock::default(),
            nodes: AtomicU32::new(1),
            buckets: RwLock::default(),
        })))
    }

    /// Charges the routes of `router` to a class.
    pub(super) fn layer(&self, router: MethodRouter<App>, class: Class, policy: &Policy) -> MethodRouter<App> {
        let in_mandates = policy.works_in_mandates();
        match &self.0 {
            Some(budgets) => router.route_layer(from_fn_with_state(Toll { budgets: budgets.clone(), class, in_mandates }, charge)),
            None => router,
        }
    }

    /// Writes the `RateLimit` headers. What no route was charged for (unknown routes, wrong methods) is charged to the
    /// default class here, so that guessing routes is limited too.
    pub(super) fn write_headers(&self, identity: &Identity, bill: &Bill, mut response: Response) -> Response {
        let Some(budgets) = &self.0 else { return response };
        let charged = bill.charged().unwrap_or_else(|| {
            if response.extensions().get::<Free>().is_some() {
                return budgets.nothing(Class::Default);
            }
            let charged = budgets.charge(Class::Default, identity, None);
            if let Err(wait) = charged.outcome {
                refuse(&mut response, wait);
            }
            charged
        });
        let Charged { class, quota, share, outcome, .. } = charged;
        let (remaining, next) = match outcome {
            Ok(remaining) => (remaining, (60 / u64::from(share.get())).max(1)),
            Err(wait) => (0, wait),
        };
        insert(response.headers_mut(), "ratelimit-policy", &format!("\"{}\";q={quota};w=60", class.name()));
        insert(response.headers_mut(), "ratelimit", &format!("\"{}\";r={remaining};t={next}", class.name()));
        response
    }

    /// Forgets callers whose budget is full again; called now and then.
    pub fn forget_idle(&self) {
        let Some(budgets) = &self.0 else { return };
        let mut buckets = budgets.buckets.write().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, buckets| {
            buckets.limiter().retain_recent();
            !buckets.limiter().is_empty()
        });
    }

    /// A mandate's own limits, instead of those that it had.
    pub(crate) fn set_mandate(&self, mandate: MandateId, limits: PerMinute) {
        let Some(budgets) = &self.0 else { return };
        let mut mandates = budgets.mandates.write().unwrap_or_else(PoisonError::into_inner);
        if limits.is_empty() {
            mandates.remove(&mandate);
        } else {
            mandates.insert(mandate, limits);
        }
    }

    /// Those of all mandates.
    pub(crate) fn set_mandates(&self, limits: impl Iterator<Item = (MandateId, PerMinute)>) {
        if let Some(budgets) = &self.0 {
            *budgets.mandates.write().unwrap_or_else(PoisonError::into_inner) = limits.collect();
        }
    }

    /// How many nodes share the budgets.
    pub(crate) fn set_nodes(&self, alive: u32) {
        if let Some(budgets) = &self.0 {
            budgets.nodes.store(alive, Ordering::Relaxed);
        }
    }
}

impl Budgets {
    /// Charges a request, in a mandate's context or out of any.
    fn charge(&self, class: Class, identity: &Identity, mandate: Option<MandateId>) -> Charged {
        let own = mandate.and_then(|mandate| {
            let mandates = self.mandates.read().unwrap_or_else(PoisonError::into_inner);
            Some((mandate, *mandates.get(&mandate)?.get(&class)?))
        });
        let ordinary = self.settings.get(&class).copied().unwrap_or(NonZeroU32::MIN);
        let quota = own.map_or(ordinary, |(_, quota)| quota);
        let payer = Payer { who: identity.who(), within: own.map(|(mandate, _)| mandate) };
        let share = self.share(quota);
        let outcome = match self.buckets(class, share) {
            Some(buckets) => taken(&buckets, &payer),
            None => Ok(share.get()),
        };
        Charged { class, quota, share, of_mandate: own.is_some(), outcome }
    }

    /// What is told where nothing is charged.
    fn nothing(&self, class: Class) -> Charged {
        let quota = self.settings.get(&class).copied().unwrap_or(NonZeroU32::MIN);
        let share = self.share(quota);
        Charged { class, quota, share, of_mandate: false, outcome: Ok(share.get()) }
    }

    /// What this node gives of a budget.
    fn share(&self, quota: NonZeroU32) -> NonZeroU32 {
        let nodes = self.nodes.load(Ordering::Relaxed).max(1);
        NonZeroU32::new(quota.get() / nodes).unwrap_or(NonZeroU32::MIN)
    }

    fn buckets(&self, class: Class, size: NonZeroU32) -> Option<Arc<Buckets>> {
        let key = (class, size);
        if let Some(buckets) = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(buckets.clone());
        }
        let made = Arc::new(refilled_evenly(size)?);
        Some(self.buckets.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(made).clone())
    }
}

/// Takes one from a bucket: what is left, or in how many seconds there is one again.
fn taken(buckets: &Buckets, payer: &Payer) -> Result<u32, u64> {
    match buckets.limiter().check_key(payer) {
        Ok(state) => Ok(state.remaining_burst_capacity()),
        Err(denied) => Err(denied.wait_time_from(DefaultClock::default().now()).as_secs() + 1),
    }
}

async fn charge(State(Toll { budgets, class, in_mandates }): State<Toll>, request: Request, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>().cloned().unwrap_or_default();
    let bill = request.extensions().get::<Bill>().cloned().unwrap_or_default();
    let named = request.headers().get("x-mandate-id").filter(|_| in_mandates && identity.claims.is_some());
    let mandate = named.and_then(|id| id.to_str().ok()?.parse().ok());
    let charged = budgets.charge(class, &identity, mandate);
    bill.note(charged);
    let mut response = match charged.outcome {
        Ok(_) => next.run(request).await,
        Err(wait) => return too_many(wait).into_response(),
    };
    // Whoever only names a mandate has no part in its budget: it was somebody else's door that they knocked at.
    if charged.of_mandate && response.extensions().get::<AsMember>().is_none() {
        let charged = budgets.charge(class, &identity, None);
        bill.note(charged);
        if let Err(wait) = charged.outcome {
            refuse(&mut response, wait);
        }
    }
    response
}

/// Turns an answer into the refusal; what its headers tell a browser stays.
fn refuse(response: &mut Response, wait: u64) {
    let refusal = too_many(wait);
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.extensions_mut().insert(Arc::new(refusal));
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
fn refilled_evenly(per_minute: NonZeroU32) -> Option<Buckets> {
    let mut builder = GovernorConfigBuilder::default();
    builder.period(MINUTE / per_minute.get()).burst_size(per_minute.get());
    builder.key_extractor(ByPayer).use_headers().finish()
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
