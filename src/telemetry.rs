//! What operators see of a running service: log lines and metrics. In one place, so that a metric has one name and one set of
//! labels, and so that the labels stay few: a label that a caller can choose freely would let callers fill the memory.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use axum::http::Method;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::db::{Database, Phase, Sight};

const REQUESTS: &str = "bailiwick_http_requests_total";
const DURATIONS: &str = "bailiwick_http_request_duration_seconds";
const JOBS: &str = "bailiwick_job_runs_total";
const CONNECTIONS: &str = "bailiwick_database_connections";
const BREAKER: &str = "bailiwick_database_breaker";
const OPENED: &str = "bailiwick_database_breaker_opened_total";
const REFUSED: &str = "bailiwick_database_breaker_refused_total";

/// Seconds. Most answers take a few milliseconds, signing in some hundred, and a request is abandoned after a minute.
const BUCKETS: [f64; 14] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Starts logging, to standard error: standard output belongs to what a command was asked for. Only the first call of a
/// process has an effect.
pub fn init(format: LogFormat, filter: &str) {
    metrics_handle();
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    let as_text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    // A second call (tests start several services in one process) finds a subscriber in place and leaves it.
    let _ = if as_text { lines.try_init() } else { lines.json().flatten_event(true).try_init() };
}

/// The process's metrics; installed by the first call.
pub fn metrics_handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let matcher = Matcher::Full(DURATIONS.to_owned());
        // Refused only without buckets, and there are some; a summary would be better than no service.
        let builder = builder.set_buckets_for_metric(matcher, &BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Another recorder in this process keeps its place; then there is nothing of ours to render.
        let _ = metrics::set_global_recorder(recorder);
        describe_counter!(REQUESTS, "Requests answered");
        describe_histogram!(DURATIONS, "Seconds from a request's arrival to its answer");
        describe_counter!(JOBS, "Runs of jobs on this node");
        describe_gauge!(CONNECTIONS, "Connections of the working pool to the database");
        describe_gauge!(BREAKER, "Whether the database is there (closed), away (open) or asked once more (half_open): 1 for what it is");
        describe_counter!(OPENED, "How often the database went away");
        describe_counter!(REFUSED, "What was refused because the database was away");
        handle
    })
}

/// Counts a request and notes it in the log.
pub(crate) fn request(method: &Method, route: &str, status: u16, elapsed: Duration, request_id: &str) {
    let method = known(method);
    let route = route.to_owned();
    histogram!(DURATIONS, "method" => method, "route" => route.clone()).record(elapsed);
    counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status.to_string()).increment(1);
    tracing::debug!(target: "bailiwick::access", method, route, status, milliseconds = elapsed.as_secs_f64() * 1_000.0, request_id, "answered");
}

/// Counts a run of a job.
pub(crate) fn job(name: &'static str, done: bool) {
    counter!(JOBS, "job" => name, "outcome" => if done { "done" } else { "failed" }).increment(1);
}

/// A method as a label. Callers may make up others, without end.
fn known(method: &Method) -> &'static str {
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

/// The metrics in Prometheus' text format.
pub fn render(db: &Database) -> String {
    let handle = metrics_handle();
    let (open, idle) = db.pool_size();
    gauge!(CONNECTIONS, "state" => "open").set(open);
    gauge!(CONNECTIONS, "state" => "idle").set(u32::try_from(idle).unwrap_or(u32::MAX));
    let Sight { phase, opened, refused } = db.sight();
    for (state, is) in [("closed", Phase::Closed), ("open", Phase::Open), ("half_open", Phase::HalfOpen)] {
        gauge!(BREAKER, "state" => state).set(u8::from(phase == is));
    }
    counter!(OPENED).absolute(opened);
    counter!(REFUSED).absolute(refused);
    handle.render()
}

/// Folds what was measured into the buckets. Where nobody asks for the metrics, single measurements would pile up otherwise:
/// to be called now and then.
pub fn fold() {
    metrics_handle().run_upkeep();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_under_labels_that_callers_cannot_multiply() {
        metrics_handle();
        let made_up = Method::from_bytes(b"BREW").unwrap();
        request(&made_up, "/test-only/{id}", 418, Duration::from_millis(3), "r");
        request(&Method::GET, "/test-only/{id}", 200, Duration::from_millis(3), "r");
        fold();
        let text = metrics_handle().render();
        assert!(text.contains(r#"bailiwick_http_requests_total{method="other",route="/test-only/{id}",status="418"} 1"#), "{text}");
        assert!(
            text.contains(r#"bailiwick_http_request_duration_seconds_bucket{method="GET",route="/test-only/{id}",le="0.005"} 1"#),
            "{text}"
        );
        assert!(!text.contains("BREW"));
    }

    #[test]
    fn starting_twice_does_no_harm() {
        init(LogFormat::Text, "off");
        init(LogFormat::Json, "not a filter=");
    }
}
