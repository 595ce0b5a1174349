//! What a request was charged, and how its headers tell it: those of
//! draft-ietf-httpapi-ratelimit-headers-11, which are lists.

use std::num::NonZeroU32;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::Payer;
use super::budgets::Ticket;
use crate::context::policy::{Class, UNLIMITED};
use crate::kernel::error::{Error, Result};

/// What a request was charged for one class.
#[derive(Debug, Clone)]
pub(super) struct Charged {
    pub class: Class,
    pub payer: Payer,
    /// Requests a minute, of all nodes together.
    pub quota: NonZeroU32,
    /// What this node gives of it.
    pub share: NonZeroU32,
    /// What was taken, or in how many seconds there is something again.
    pub outcome: Result<Ticket, u64>,
}

impl Charged {
    pub fn allowed(&self) -> Result<(), Error> {
        self.outcome.as_ref().map(|_| ()).map_err(|wait| super::too_many(*wait))
    }
}

/// All of it, the latest last.
#[derive(Debug, Default)]
pub(super) struct Bill {
    pub charges: Vec<Charged>,
    pub free: bool,
}

impl Bill {
    /// One charge for each class: the latest.
    pub fn note(&mut self, charged: Charged) {
        self.strike(charged.class);
        self.charges.push(charged);
    }
    pub fn strike(&mut self, class: Class) {
        self.charges.retain(|other| other.class != class);
    }
    pub fn of(&self, class: Class) -> Option<&Charged> {
        self.charges.iter().find(|charged| charged.class == class)
    }

    /// The latest first: it is the one that a refusal speaks of.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        let (mut policies, mut limits) = (Vec::new(), Vec::new());
        for Charged { class, quota, share, outcome, .. } in self.charges.iter().rev() {
            let (remaining, next) = match outcome {
                Ok(ticket) => (ticket.remaining, (60 / u64::from(share.get())).max(1)),
                Err(wait) => (0, *wait),
            };
            policies.push(format!("\"{}\";q={quota};w=60", class.name()));
            limits.push(format!("\"{}\";r={remaining};t={next}", class.name()));
        }
        if policies.is_empty() {
            policies.push(format!("\"{UNLIMITED}\";q={};w=60", u32::MAX));
            limits.push(format!("\"{UNLIMITED}\";r={};t=1", u32::MAX));
        }
        insert(headers, "ratelimit-policy", &policies.join(", "));
        insert(headers, "ratelimit", &limits.join(", "));
    }
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
