//! `bailiwick doctor`: one line for each thing that the service relies on, and what to do where it
//! is not so.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::open::Opened;
use super::{one_line, ours, say};
use crate::context::Services;
use crate::identity::service_keys;
use crate::kernel::clock::{Clock, SystemClock};
use crate::kernel::config::Settings;
use crate::kernel::db::{bootstrap, safety, unreachable};
use crate::tenancy::limits;

const OLDEST_VERSION: i64 = 150_000;
/// Tokens and sessions expire by the service's clock while the database's triggers know only their
/// own.
const MOST_SKEW: Duration = Duration::from_secs(5);

/// What was found, line by line.
#[derive(Debug, Default)]
struct Report {
    failures: usize,
}

impl Report {
    fn note(&mut self, check: &str, outcome: anyhow::Result<String>) {
        match outcome {
            Ok(found) => say(&format!("ok      {check:11}{found}")),
            Err(error) => {
                self.failures += 1;
                say(&format!("FAILED  {check:11}{}", one_line(&error.to_string())));
            }
        }
    }

    /// What works, and may not be what was meant.
    fn advise(check: &str, outcome: anyhow::Result<String>) {
        match outcome {
            Ok(found) => say(&format!("ok      {check:11}{found}")),
            Err(error) => say(&format!("warning {check:11}{}", one_line(&error.to_string()))),
        }
    }

    fn verdict(&self) -> ExitCode {
        if self.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

pub(super) async fn doctor(settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    report.note("settings", Ok("all valid (`bailiwick config` lists them)".to_owned()));
    if settings.database_url.is_none() {
        report.note("folder", check_folder(&settings.data_dir));
    }
    match Opened::open(settings).await {
        Ok(opened) => {
            examine(&mut report, &opened, settings).await;
            opened.close().await?;
        }
        Err(error) => report.note("database", Err(error)),
    }
    Ok(report.verdict())
}

async fn examine(report: &mut Report, opened: &Opened, settings: &Settings) {
    let options = opened.options();
    let found = ask(options).await;
    let clocks = found.as_ref().ok().map(|found| (found.database_clock, found.our_clock));
    report.note("database", found.and_then(|found| check_version(&found)));
    let schema = check_schema(options).await;
    let has_schema = schema.is_ok();
    report.note("schema", schema);
    report.note("roles", check_roles(options).await);
    report.note("tables", check_tables(options).await);
    if let Some((database, ours)) = clocks {
        report.note("clock", check_clock(database, ours));
    }
    if has_schema {
        match check_keys(opened, settings).await {
            Ok((found, Some(left))) => Report::advise("keys", Err(anyhow!("{found}; {left}"))),
            Ok((found, None)) => report.note("keys", Ok(found)),
            Err(error) => report.note("keys", Err(error)),
        }
        let services = opened.services(settings);
        Report::advise("proxies", check_proxies(&services, settings).await);
        services.db.close().await;
    }
}

struct ServerFacts {
    version: String,
    version_number: i64,
    database_clock: DateTime<Utc>,
    /// At the middle of the question.
    our_clock: DateTime<Utc>,
}

async fn ask(options: &PgConnectOptions) -> anyhow::Result<ServerFacts> {
    let refused = |error| {
        anyhow!("the database refused the connection: {}", unreachable::told(options, &error))
    };
    let mut connection = options.connect().await.map_err(refused)?;
    let (version, version_number): (String, i64) = sqlx::query_as(
        "select current_setting('server_version'), current_setting('server_version_num')::bigint",
    )
    .fetch_one(&mut connection)
    .await?;
    let (asked_at, began) = (SystemClock.now(), Instant::now());
    let database_clock =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut connection).await?;
    let our_clock = asked_at + TimeDelta::from_std(began.elapsed() / 2).unwrap_or_default();
    connection.close().await?;
    Ok(ServerFacts { version, version_number, database_clock, our_clock })
}

fn check_version(found: &ServerFacts) -> anyhow::Result<String> {
    if found.version_number < OLDEST_VERSION {
        bail!("PostgreSQL {} is too old: use 15 or newer", found.version);
    }
    Ok(format!("PostgreSQL {} answers", found.version))
}

async fn check_schema(options: &PgConnectOptions) -> anyhow::Result<String> {
    let pending = bootstrap::pending(options).await?;
    if pending.is_empty() {
        return Ok(format!("current, {} migrations", bootstrap::MIGRATOR.iter().count()));
    }
    bail!(
        "{} migrations are pending: run `bailiwick migrate`, or start the service, which does it \
            too",
        pending.len()
    )
}

async fn check_roles(options: &PgConnectOptions) -> anyhow::Result<String> {
    safety::check_roles(options).await?;
    Ok("as row-level security relies on, and nobody else can become one of them".to_owned())
}

async fn check_tables(options: &PgConnectOptions) -> anyhow::Result<String> {
    safety::check_tables(options).await?;
    Ok("row-level security is on wherever it must be".to_owned())
}

fn check_clock(database: DateTime<Utc>, ours: DateTime<Utc>) -> anyhow::Result<String> {
    let skew = (database - ours).abs().to_std().unwrap_or_default();
    if skew > MOST_SKEW {
        bail!(
            "the database's clock and this machine's are {} s apart: set both by NTP",
            skew.as_secs()
        );
    }
    Ok(format!("{} ms from the database's", skew.as_millis()))
}

/// Whether the secret is the one that the service's keys are sealed under, and what is left to do.
async fn check_keys(
    opened: &Opened,
    settings: &Settings,
) -> anyhow::Result<(String, Option<String>)> {
    let app = opened.app_with_first_keys(settings)?;
    let found = service_keys::count(&app).await;
    app.services().db.close().await;
    Ok(match found.map_err(ours)? {
        (0, _) => ("none yet: the first start makes them".to_owned(), None),
        (keys, 0) => (format!("the secret key opens all {keys}"), None),
        (keys, before) => {
            let left = "once every node was started with both secret keys, run `bailiwick secret \
                rotate`, and keep BAILIWICK_SECRET_KEY_OLD until then";
            let found = format!("{before} of {keys} are sealed under the secret key before");
            (found, Some(left.to_owned()))
        }
    })
}

/// Whether nodes are told of clients' addresses by somebody whom nobody trusts.
async fn check_proxies(services: &Services, settings: &Settings) -> anyhow::Result<String> {
    let unheeded = limits::forwarding_unheeded(services).await.map_err(ours)?;
    if unheeded > 0 {
        bail!(
            "requests to {unheeded} nodes carried X-Forwarded-For in the last day, and those trust \
             no proxy, so that all clients of a proxy are limited and recorded as one: if there is \
             one, name it in BAILIWICK_TRUSTED_PROXIES"
        );
    }
    match settings.trusted_proxies.len() {
        0 => Ok("none is trusted, and no request came through one".to_owned()),
        trusted => Ok(format!("{trusted} trusted")),
    }
}

/// By writing a file: modes and owners do not tell of read-only or full disks.
fn check_folder(folder: &Path) -> anyhow::Result<String> {
    let shown = folder.display();
    let trial = folder.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&trial, "trial"));
    if let Err(error) = written {
        bail!("{shown} is not writable: {error}; make it so, or set BAILIWICK_DATA_DIR");
    }
    std::fs::remove_file(&trial)?;
    Ok(format!("{shown} is writable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_a_little() {
        let now = SystemClock.now();
        assert!(check_clock(now + TimeDelta::seconds(4), now).is_ok());
        assert!(
            check_clock(now - TimeDelta::seconds(6), now)
                .is_err_and(|error| error.to_string().contains("NTP"))
        );
    }

    #[test]
    fn a_folder_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_folder(folder.path()).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(check_folder(&file).is_err());
    }
}
