//! The budgets of one node: what a class costs, who pays, and what is left. The buckets are
//! `tower_governor`'s. Nothing here knows of requests but by the key extractor that it is given.

mod charged;
mod charges;
mod payer;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::KeyExtractor;

use crate::context::policy::{Class, PerMinute};
use crate::kernel::config::Settings;
use crate::kernel::ids::MandateId;
use charged::{MINUTE, Ticket};

pub use charged::Charged;
pub use charges::Charges;
pub use payer::{Payer, WhatFor, Who, network_of};

/// Everybody's buckets of one class and size. `K` tells whose bucket a request is charged to.
type Buckets<K> = GovernorConfig<K, StateInformationMiddleware>;

/// By class and size.
type BucketsBySize<K> = HashMap<(Class, NonZeroU32), Arc<Buckets<K>>>;

/// A class's budget of somebody.
type Account = (Class, Payer);

pub struct Budgets<K: KeyExtractor<Key = Payer>> {
    key: K,
    settings: PerMinute,
    mandates: RwLock<HashMap<MandateId, PerMinute>>,
    /// How many share every budget.
    nodes: AtomicU32,
    /// Made when they are first needed: few, since sizes come from settings and SysAdmins.
    buckets: RwLock<BucketsBySize<K>>,
    /// Tickets that were given back: taken before a bucket is asked. (A bucket takes nothing back
    /// itself.)
    returned: Mutex<HashMap<Account, Vec<Ticket>>>,
}

impl<K: KeyExtractor<Key = Payer>> Budgets<K> {
    pub fn new(settings: &Settings, key: K) -> Self {
        Self {
            key,
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

    /// Tells who pays for a request.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Charges somebody: as a member of a mandate by its own limit, or as everywhere where it has
    /// none; else by the settings, whatever the budget is for.
    pub fn charge(&self, class: Class, payer: Payer) -> Charged {
        if let WhatFor::Within(mandate) = payer.what_for {
            return match self.own(mandate, class) {
                Some(quota) => self.take(class, payer, quota),
                None => self.charge(class, Payer::within(payer.who, None)),
            };
        }
        let quota = self.settings.get(&class).copied().unwrap_or(NonZeroU32::MIN);
        self.take(class, payer, quota)
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

    fn buckets(&self, class: Class, size: NonZeroU32) -> Option<Arc<Buckets<K>>> {
        let key = (class, size);
        if let Some(buckets) = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(&key)
        {
            return Some(buckets.clone());
        }
        let made = Arc::new(refilled_evenly(self.key.clone(), size)?);
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

/// Takes one from a bucket: what is left, or in how many seconds there is one again.
fn taken<K: KeyExtractor<Key = Payer>>(
    buckets: &Buckets<K>,
    payer: &Payer,
    share: NonZeroU32,
) -> Result<Ticket, u64> {
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

/// n a minute: refilled evenly over 60 s, with a burst of n.
fn refilled_evenly<K: KeyExtractor>(key: K, per_minute: NonZeroU32) -> Option<Buckets<K>> {
    let mut builder = GovernorConfigBuilder::default();
    builder.period(MINUTE / per_minute.get()).burst_size(per_minute.get());
    builder.key_extractor(key).use_headers().finish()
}
