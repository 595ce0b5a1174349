//! Requests, counted and told of in the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::http::Method;
use metrics::{Counter, Histogram, counter, histogram};

use super::{DURATIONS, REQUESTS, metrics_handle};

/// The target of the lines that tell of each request, so that they can be asked for, or left out,
/// by themselves.
const ACCESS: &str = "bailiwick::access";

/// What is counted without a route.
const UNMATCHED: &str = "unmatched";

/// What is asked every few seconds, for ever.
const PROBES: [&str; 4] = ["/healthz", "/readyz", "/startupz", "/ping"];

/// A request that has come: what is counted under, and told of, when it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub method: &'static str,
    /// The pattern of its path, where there is such a route.
    pub route: Option<&'a str>,
    pub client: Option<IpAddr>,
}

/// Counts a request and tells of it in the log. Its id, method and route are the span's. A probe
/// that finds all well is told at debug level, since it would drown the others.
pub(crate) fn answered(asked: Asked<'_>, status: u16, elapsed: Duration) {
    let route = asked.route.unwrap_or(UNMATCHED);
    count((asked.method, route, status), elapsed);
    let (client, duration_ms) = (asked.client.map(tracing::field::display), milliseconds(elapsed));
    if PROBES.contains(&route) && (200..300).contains(&status) {
        tracing::debug!(target: ACCESS, status, client, duration_ms, "answered");
    } else {
        tracing::info!(target: ACCESS, status, client, duration_ms, "answered");
    }
}

/// The same of what was no request that can be read: there is no route, and no method that could be
/// counted.
pub(crate) fn unreadable(status: u16, peer: IpAddr) {
    counter!(REQUESTS, "method" => "other", "route" => "unreadable",
        "status" => status.to_string())
    .increment(1);
    tracing::info!(target: ACCESS, status, client = %peer,
        "answered what cannot be read as a request");
}

/// Tells of a request that went without an answer: the client hung up, or the service ended. There
/// is no status to tell.
pub(crate) fn abandoned(asked: Asked<'_>, elapsed: Duration) {
    let (client, duration_ms) = (asked.client.map(tracing::field::display), milliseconds(elapsed));
    tracing::info!(target: ACCESS, client, duration_ms,
        "not answered: the connection ended before the answer");
}

/// To a thousandth.
fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// A method as a label. Callers may make up others, without end.
pub(crate) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Where requests of a method that were answered with a status are counted.
struct Counted {
    method: &'static str,
    status: u16,
    requests: Counter,
    durations: Histogram,
}

/// By route. To find a metric by its labels takes longer than to count; there are as many as routes
/// have methods and answers.
type Counters = RwLock<HashMap<String, Vec<Counted>>>;

fn count((method, route, status): (&'static str, &str, u16), elapsed: Duration) {
    static COUNTERS: OnceLock<Counters> = OnceLock::new();
    let counters = COUNTERS.get_or_init(Counters::default);
    let count = |of: &Counted| {
        of.requests.increment(1);
        of.durations.record(elapsed);
    };
    let is_this = |of: &&Counted| of.method == method && of.status == status;
    let known = counters.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(of) = known.get(route).and_then(|all| all.iter().find(is_this)) {
        return count(of);
    }
    drop(known);
    let of = counted(method, route, status);
    count(&of);
    // Two may come at once; either leads to the same metric.
    let mut known = counters.write().unwrap_or_else(PoisonError::into_inner);
    known.entry(route.to_owned()).or_default().push(of);
}

fn counted(method: &'static str, route: &str, status: u16) -> Counted {
    metrics_handle();
    let route = route.to_owned();
    Counted {
        method,
        status,
        durations: histogram!(DURATIONS, "method" => method, "route" => route.clone()),
        requests: counter!(REQUESTS, "method" => method, "route" => route,
            "status" => status.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::telemetry::fold;

    #[test]
    fn requests_are_counted_under_labels_that_callers_cannot_multiply() {
        let made_up = Method::from_bytes(b"BREW").unwrap();
        for (method, status, times) in [(made_up, 418, 1), (Method::GET, 200, 2)] {
            let asked =
                Asked { method: known(&method), route: Some("/test-only/{id}"), client: None };
            for _ in 0..times {
                answered(asked, status, Duration::from_millis(3));
            }
        }
        fold();
        let text = metrics_handle().render();
        let route = r#"route="/test-only/{id}""#;
        for (name, method, label, times) in [
            ("requests_total", "other", r#"status="418""#, 1),
            ("requests_total", "GET", r#"status="200""#, 2),
            ("request_duration_seconds_bucket", "GET", r#"le="0.005""#, 2),
        ] {
            let line =
                format!(r#"bailiwick_http_{name}{{method="{method}",{route},{label}}} {times}"#);
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("BREW"));
    }
}
