//! The database that a command works on: the one of `DATABASE_URL`, or the embedded one, started
//! for as long as the command runs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use embedded_postgres::{
    EmbeddedError, EmbeddedOptions, EmbeddedPostgres, HOW_TO_INSTALL, fetch_postgres,
};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tracing::log::LevelFilter;

use super::ours;
use super::secret_key::secrets;
use crate::context::Services;
use crate::http::app::App;
use crate::identity::service_keys;
use crate::kernel::clock::SystemClock;
use crate::kernel::config::{Secret, Settings};
use crate::kernel::db::bootstrap::Applied;
use crate::kernel::db::{Database, bootstrap, safety, unreachable};

/// Its name in the embedded server.
const DATABASE: &str = "bailiwick";
/// What is fetched: data that another version made cannot be served by it, so that fetching it
/// would be in vain.
const FETCHED_VERSION: u32 = 17;
/// For a database that may be on the other side of a network.
const PATIENCE: Duration = Duration::from_secs(10);
const FORM: &str =
    "postgres://user:password@host:5432/name, with special characters percent-encoded";

/// A database that answers.
#[derive(Debug)]
pub(super) struct Opened {
    options: PgConnectOptions,
    embedded: Option<EmbeddedPostgres>,
}

impl Opened {
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let (options, embedded) = if let Some(url) = &settings.database_url {
            (parse(url)?, None)
        } else {
            let embedded = start(settings).await?;
            (embedded.connect_options(embedded.database()), Some(embedded))
        };
        let options = options.log_statements(LevelFilter::Trace);
        let opened = Self { options, embedded };
        if opened.embedded.is_none() {
            opened.reach().await?;
        }
        Ok(opened)
    }

    /// A host that swallows packets would otherwise be waited for in silence.
    async fn reach(&self) -> anyhow::Result<()> {
        match tokio::time::timeout(PATIENCE, self.options.connect()).await {
            Ok(Ok(connection)) => Ok(connection.close().await?),
            Ok(Err(error)) => Err(anyhow!(
                "the database cannot be reached: {}",
                unreachable::told(&self.options, &error)
            )),
            Err(_) => Err(anyhow!(
                "the database does not answer within {} s (check DATABASE_URL)",
                PATIENCE.as_secs()
            )),
        }
    }

    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// Brings the schema up to date and refuses roles and tables that the walls between mandates
    /// cannot rely on; those that are there already before it changes anything, so that the version
    /// before can go on. Tells which migrations it applied.
    pub async fn prepare(&self) -> anyhow::Result<Vec<Applied>> {
        safety::check_what_is_there(&self.options).await?;
        let applied = bootstrap::migrate(&self.options).await?;
        for Applied { version, description } in &applied {
            tracing::info!(version, description, "applied a migration");
        }
        safety::check(&self.options).await?;
        Ok(applied)
    }

    pub fn database(&self, settings: &Settings) -> Database {
        Database::lazy(&self.options, settings.database_pool)
    }

    pub fn services(&self, settings: &Settings) -> Services {
        Services::new(self.database(settings), Arc::new(SystemClock))
    }

    /// Does a command's work with the service's parts, and closes whatever was opened for it.
    pub async fn work<T>(
        settings: &Settings,
        work: impl AsyncFnOnce(&App) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let opened = Self::open(settings).await?;
        let outcome = match opened.app(settings).await {
            Ok(app) => {
                let outcome = work(&app).await;
                app.services().db.close().await;
                outcome
            }
            Err(error) => Err(error),
        };
        let closed = opened.close().await;
        outcome.and_then(|done| closed.map(|()| done))
    }

    /// The service's parts over it, up to date, with the keys that all nodes have.
    pub async fn app(&self, settings: &Settings) -> anyhow::Result<App> {
        self.prepare().await?;
        let app = self.app_with_first_keys(settings)?;
        match service_keys::open(&app).await {
            Ok(()) => Ok(app),
            Err(error) => {
                app.services().db.close().await;
                Err(ours(error))
            }
        }
    }

    /// The same, whatever the keys are sealed under.
    pub fn app_with_first_keys(&self, settings: &Settings) -> anyhow::Result<App> {
        let (secrets, database) = (secrets(settings)?, self.database(settings));
        let issuer = settings.issuer_at(settings.listen);
        App::new(settings.clone(), secrets, issuer, database, Arc::new(SystemClock)).map_err(ours)
    }

    /// Comes back when the embedded server is gone though nobody stopped it; never for another
    /// database, which is somebody else's to restart. Asked for now and then: the number of a
    /// process that ended is free at once, and not soon reused.
    pub async fn is_lost(&self) {
        let pid = self
            .embedded
            .as_ref()
            .and_then(|embedded| i32::try_from(embedded.postmaster_pid()).ok());
        let Some(pid) = pid else { return std::future::pending().await };
        while kill(Pid::from_raw(pid), None).is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops the embedded server, if there is one, with everything written out.
    pub async fn close(self) -> anyhow::Result<()> {
        match self.embedded {
            Some(embedded) => Ok(embedded.stop().await?),
            None => Ok(()),
        }
    }
}

fn parse(url: &Secret) -> anyhow::Result<PgConnectOptions> {
    // The parser's own words may repeat a part of the URL, and in a broken URL that may be a part
    // of the password.
    url.expose().parse().map_err(|_| anyhow!("DATABASE_URL cannot be read: it has the form {FORM}"))
}

async fn start(settings: &Settings) -> anyhow::Result<EmbeddedPostgres> {
    let options = |binaries| EmbeddedOptions {
        folder: settings.data_dir.clone(),
        database: DATABASE.to_owned(),
        durable: true,
        max_connections: connections(settings.database_pool),
        settings: Vec::new(),
        binaries,
    };
    match EmbeddedPostgres::start(options(None)).await {
        Err(
            EmbeddedError::NoBinaries
            | EmbeddedError::OtherVersion { made_by: FETCHED_VERSION, .. },
        ) => {}
        started => return Ok(started?),
    }
    if !settings.postgres_fetch {
        bail!(
            "no PostgreSQL is installed, and BAILIWICK_POSTGRES_FETCH=off forbids fetching one: \
             {HOW_TO_INSTALL}, or set DATABASE_URL"
        );
    }
    let announce = |line: &str| eprintln!("{line}; BAILIWICK_POSTGRES_FETCH=off forbids it.");
    let fetched = fetch_postgres(&settings.data_dir, announce).await;
    let binaries = fetched.map_err(|error| anyhow!("{error}, or set DATABASE_URL"))?;
    Ok(EmbeddedPostgres::start(options(Some(binaries))).await?)
}

/// Both pools, and room for whoever looks at the database beside the service.
fn connections(pool: u32) -> u16 {
    u16::try_from(pool + pool / 4 + 20).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_url_is_refused_without_repeating_it() {
        for url in [
            "postgres://u:hunter2@db:hunter2/x",
            "postgres://u:hun ter2@[db/x",
            "postgres://u:p@db/x?sslmode=hunter2",
        ] {
            let error = parse(&Secret::new(url)).unwrap_err().to_string();
            assert!(
                error.starts_with("DATABASE_URL")
                    && !error.contains("hunter2")
                    && !error.contains("ter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn both_pools_fit() {
        assert_eq!(connections(16), 40);
        assert_eq!(connections(500), 645);
    }
}
