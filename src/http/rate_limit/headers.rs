//! How an answer tells what its request was charged: by the headers of
//! draft-ietf-httpapi-ratelimit-headers-11, which are lists.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::budgets::{Charged, Charges};
use crate::context::policy::UNLIMITED;

/// The latest first: it is the one that a refusal speaks of.
pub fn write(charges: &Charges, headers: &mut HeaderMap) {
    let (mut policies, mut limits) = (Vec::new(), Vec::new());
    for Charged { class, quota, share, outcome, .. } in charges.charges.iter().rev() {
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

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
