//! The budgets of one node. The buckets are `tower_governor`'s.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::Request as AnyRequest;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use tower_governor::GovernorError;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;

use super::bill::Charged;
use super::{Identity, Payer, WhatFor, Who};
use crate::context::policy::{Class, PerMinute};
use crate::kernel::config::Settings;
use crate::kernel::ids::MandateId;

/// The key of the buckets. (They are asked by us, not by a layer that would take the key from the
/// request.)
#[derive(Debug, Clone, Copy)]
struct ByPayer;

impl KeyExtractor for ByPayer {
    type Key = Payer;
    fn extract<T>(&self, request: &AnyRequest<T>) -> Result<Payer, GovernorError> {
        let identity = request.extensions().get::<Identity>().cloned().unwrap_or_default();
        Ok(Payer { who: identity.who(), what_for: WhatFor::Anything })
    }
}

/// Everybody's buckets of one class and size.
type Buckets = GovernorConfig<ByPayer, StateInformationMiddleware>;

/// One request's worth of a budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    /// What was left after it was taken.
    pub remaining: u32,
    /// When the bucket would be full again, had nothing else been taken: what was given back is
    /// worth nothing from then on.
    full_at: Instant,
}

/// A class's budget of somebody.
type Account = (Class, Payer);

pub(super) struct Budgets {
    settings: PerMinute,
    mandates: RwLock<HashMap<MandateId, PerMinute>>,
    /// How many share every budget.
    nodes: AtomicU32,
    /// By class and size, made when they are first needed: few, since sizes come from settings and
    /// SysAdmins.
    buckets: RwLock<HashMap<(Class, NonZeroU32), Arc<Buckets>>>,
    /// Tickets that were given back: taken before a bucket is asked. (A bucket takes nothing back
    /// itself.)
    returned: Mutex<HashMap<Account, Vec<Ticket>>>,
}

impl Budgets {
    pub fn new(settings: &Settings) -> Self {
        Self {
            settings: Class::ALL
                .into_iter()
                .map(|class| (class, per_minute(settings, class)))
                .collect(),
            mandates: RwLock::default(),
            nodes: AtomicU32::new(1),
            buckets: RwLock::default(),
            returned: Mutex::default(),
        }
    }

    /// A mandate's own limit.
    pub fn own(&self, mandate: MandateId, class: Class) -> Option<NonZeroU32> {
        self.mandates
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&mandate)?
            .get(&class)
            .copied()
    }

    /// Charges somebody by the settings, whatever the budget is for.
    pub fn charge(&self, class: Class, who: Who, what_for: WhatFor) -> Charged {
        let quota = self.settings.get(&class).copied().unwrap_or(NonZeroU32::MIN);
        self.take(class, Payer { who, what_for }, quota)
    }

    /// Charges somebody as a member of the mandate: by its own limit, or as everywhere where it has
    /// none.
    pub fn charge_within(&self, class: Class, who: Who, mandate: MandateId) -> Charged {
        match self.own(mandate, class) {
            Some(quota) => {
                self.take(class, Payer { who, what_for: WhatFor::Within(mandate) }, quota)
            }
            None => self.charge(class, who, WhatFor::Anything),
        }
    }

    fn take(&self, class: Class, payer: Payer, quota: NonZeroU32) -> Charged {
        let share = self.share(quota);
        let outcome = match self.returned_to(&(class, payer)) {
            Some(ticket) => Ok(ticket),
            None => {
                self.buckets(class, share).map_or(Ok(Ticket::of(share, share.get())), |buckets| {
                    taken(&buckets, &payer, share)
                })
            }
        };
        Charged { class, payer, quota, share, outcome }
    }

    /// Takes back what turned out not to be owed.
    pub fn give_back(&self, charged: &Charged) {
        if let Ok(ticket) = charged.outcome {
            let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
            returned.entry((charged.class, charged.payer)).or_default().push(ticket);
        }
    }

    fn returned_to(&self, account: &Account) -> Option<Ticket> {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        let tickets = returned.get_mut(account)?;
        let now = Instant::now();
        tickets.retain(|ticket| ticket.full_at > now);
        let ticket = tickets.pop();
        if tickets.is_empty() {
            returned.remove(account);
        }
        ticket
    }

    /// What this node gives of a budget.
    fn share(&self, quota: NonZeroU32) -> NonZeroU32 {
        let nodes = self.nodes.load(Ordering::Relaxed).max(1);
        NonZeroU32::new(quota.get() / nodes).unwrap_or(NonZeroU32::MIN)
    }

    fn buckets(&self, class: Class, size: NonZeroU32) -> Option<Arc<Buckets>> {
        let key = (class, size);
        if let Some(buckets) = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(&key)
        {
            return Some(buckets.clone());
        }
        let made = Arc::new(refilled_evenly(size)?);
        Some(
            self.buckets
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key)
                .or_insert(made)
                .clone(),
        )
    }

    pub fn forget_idle(&self) {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, buckets| {
            buckets.limiter().retain_recent();
            !buckets.limiter().is_empty()
        });
        let now = Instant::now();
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        returned.retain(|_, tickets| tickets.iter().any(|ticket| ticket.full_at > now));
    }

    pub fn set_mandate(&self, mandate: MandateId, limits: PerMinute) {
        let mut mandates = self.mandates.write().unwrap_or_else(PoisonError::into_inner);
        if limits.is_empty() {
            mandates.remove(&mandate);
        } else {
            mandates.insert(mandate, limits);
        }
    }

    pub fn set_mandates(&self, limits: impl Iterator<Item = (MandateId, PerMinute)>) {
        *self.mandates.write().unwrap_or_else(PoisonError::into_inner) = limits.collect();
    }

    pub fn set_nodes(&self, alive: u32) {
        self.nodes.store(alive, Ordering::Relaxed);
    }
}

impl Ticket {
    fn of(share: NonZeroU32, remaining: u32) -> Self {
        let missing = share.get().saturating_sub(remaining);
        Self { remaining, full_at: Instant::now() + MINUTE / share.get() * missing }
    }
}

/// Takes one from a bucket: what is left, or in how many seconds there is one again.
fn taken(buckets: &Buckets, payer: &Payer, share: NonZeroU32) -> Result<Ticket, u64> {
    match buckets.limiter().check_key(payer) {
        Ok(state) => Ok(Ticket::of(share, state.remaining_burst_capacity())),
        Err(denied) => Err(denied.wait_time_from(DefaultClock::default().now()).as_secs() + 1),
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
        Class::AuthAddress => limits.auth_address,
        Class::Check => limits.check,
        Class::Work => limits.work,
        Class::Public => limits.public,
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
