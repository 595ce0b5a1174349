//! What operators see of a running service: log lines and metrics. In one place, so that a metric
//! has one name and one set of labels, and so that the labels stay few: a label that a caller can
//! choose freely would let callers fill the memory.

mod json;
mod requests;

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::kernel::config::LogFormat;
use crate::kernel::db::{Database, Phase, Sight, bootstrap};
pub(crate) use requests::{Asked, abandoned, answered, known, unreadable};

/// What runs: the version, and the commit that it was built from, where the build knew it
/// (`build.rs`).
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
pub const COMMIT: &str = env!("BUILD_COMMIT");

const BUILD: &str = "bailiwick_build_info";
const REQUESTS: &str = "bailiwick_http_requests_total";
const DURATIONS: &str = "bailiwick_http_request_duration_seconds";
const JOBS: &str = "bailiwick_job_runs_total";
const FAILED_SIGN_INS: &str = "bailiwick_sign_in_failures_total";
const CONNECTIONS: &str = "bailiwick_database_connections";
const BREAKER: &str = "bailiwick_database_breaker";
const OPENED: &str = "bailiwick_database_breaker_opened_total";
const REFUSED: &str = "bailiwick_database_breaker_refused_total";

/// The target of the spans that tell whose line it is. No line has it, so that no filter is meant
/// for it.
pub(crate) const REQUEST: &str = "bailiwick::request";

/// Seconds. Most answers take a few milliseconds, signing in some hundred, and a request is
/// abandoned after a minute.
const BUCKETS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Starts logging, to standard error: standard output belongs to what a command was asked for. Only
/// the first call of a process has an effect.
pub fn init(format: LogFormat, filter: &str) {
    metrics_handle();
    let terminal = std::io::stderr().is_terminal();
    let look = match format {
        LogFormat::Text => Look::Text { colours: terminal },
        LogFormat::Auto if terminal => Look::Text { colours: true },
        LogFormat::Auto | LogFormat::Json => Look::Json,
    };
    // A second call (tests start several services in one process) finds a subscriber in place and
    // leaves it.
    let _ = lines(look, filter, std::io::stderr).try_init();
}

/// How log lines look.
#[derive(Debug, Clone, Copy)]
pub enum Look {
    Text { colours: bool },
    Json,
}

/// What writes log lines: those that the filter lets through, each with what is known of the
/// request that it belongs to.
pub fn lines<W>(look: Look, filter: &str, writer: W) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Whichever lines it lets through, they say whose they are.
    let filter =
        format!("{REQUEST}=error").parse().into_iter().fold(filter, EnvFilter::add_directive);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match look {
        Look::Text { colours } => lines.with_ansi(colours).into(),
        Look::Json => lines.fmt_fields(json::Members).event_format(json::Flat).into(),
    }
}

/// The process's metrics; installed by the first call.
pub fn metrics_handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let matcher = Matcher::Full(DURATIONS.to_owned());
        // Refused only without buckets, and there are some; a summary would be better than no
        // service.
        let builder = builder
            .set_buckets_for_metric(matcher, &BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Another recorder in this process keeps its place; then there is nothing of ours to
        // render.
        let _ = metrics::set_global_recorder(recorder);
        describe_gauge!(
            BUILD,
            "What runs, in its labels: version, commit, and the number of the \
            last migration of its schema"
        );
        gauge!(BUILD, "version" => VERSION, "commit" => COMMIT,
            "schema" => bootstrap::schema().to_string())
        .set(1);
        describe_counter!(REQUESTS, "Requests answered");
        describe_histogram!(DURATIONS, "Seconds from a request's arrival to its answer");
        describe_counter!(JOBS, "Runs of jobs on this node");
        describe_counter!(FAILED_SIGN_INS, "Sign-ins that failed, by reason");
        describe_gauge!(CONNECTIONS, "Connections of the working pool to the database");
        describe_gauge!(
            BREAKER,
            "Whether the database is there (closed), away (open) or asked \
            once more (half_open): 1 for what it is"
        );
        describe_counter!(OPENED, "How often the database went away");
        describe_counter!(REFUSED, "What was refused because the database was away");
        handle
    })
}

/// Counts a run of a job.
pub(crate) fn job(name: &'static str, done: bool) {
    counter!(JOBS, "job" => name, "outcome" => if done { "done" } else { "failed" }).increment(1);
}

/// Counts sign-ins that failed.
pub(crate) fn failed_sign_ins(reason: &'static str, number: u64) {
    counter!(FAILED_SIGN_INS, "reason" => reason).increment(number);
}

/// The metrics in Prometheus' text format.
pub fn render(db: &Database) -> String {
    let handle = metrics_handle();
    let (open, idle) = db.pool_size();
    gauge!(CONNECTIONS, "state" => "open").set(open);
    gauge!(CONNECTIONS, "state" => "idle").set(u32::try_from(idle).unwrap_or(u32::MAX));
    let Sight { phase, opened, refused } = db.sight();
    for (state, is) in
        [("closed", Phase::Closed), ("open", Phase::Open), ("half_open", Phase::HalfOpen)]
    {
        gauge!(BREAKER, "state" => state).set(u8::from(phase == is));
    }
    counter!(OPENED).absolute(opened);
    counter!(REFUSED).absolute(refused);
    handle.render()
}

/// Folds what was measured into the buckets. Where nobody asks for the metrics, single measurements
/// would pile up otherwise: to be called now and then.
pub fn fold() {
    metrics_handle().run_upkeep();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_twice_does_no_harm() {
        init(LogFormat::Text, "off");
        init(LogFormat::Json, "not a filter=");
    }
}
