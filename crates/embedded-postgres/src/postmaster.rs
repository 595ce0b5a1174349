//! The server process: its settings, its readiness, its end.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::folder::{Folder, PORT};
use crate::log::Log;
use crate::process::Process;
use crate::quiet::{QUIET, Quiet};
use crate::{EmbeddedError, EmbeddedOptions, initialise, leftovers};

pub(crate) const SUPERUSER: &str = "postgres";

/// Replaying the log of a killed server takes as long as it takes, within reason.
const READY: Duration = Duration::from_mins(2);
/// One attempt, in which the database may have to be made.
const ANSWER: Duration = Duration::from_secs(30);
/// Between two looks at a server that stops.
const LOOK: Duration = Duration::from_millis(50);
/// An orderly stop, then one that leaves the rest to the log.
const STOPS: [(Signal, Duration); 2] =
    [(Signal::SIGINT, Duration::from_secs(30)), (Signal::SIGQUIT, Duration::from_secs(10))];

#[derive(Debug)]
pub(crate) struct Postmaster {
    process: Process,
    log: Log,
    place: std::path::PathBuf,
}

impl Postmaster {
    /// Starts the server and returns when it answers queries and has its database. The claim
    /// becomes its standard input, which it never reads and every process of its inherits.
    pub async fn start(
        folder: &Folder,
        binaries: &Path,
        options: &EmbeddedOptions,
        claim: File,
    ) -> Result<Self, EmbeddedError> {
        let log = Log::open(&folder.log)?;
        let program = binaries.join("postgres");
        let mut command = Command::new(&program);
        command.arg("-D").arg(&folder.data);
        for setting in settings(options, &folder.sockets) {
            command.arg("-c").arg(setting);
        }
        command.current_dir(&folder.data).stdin(Stdio::from(claim));
        log.attach(&mut command)?;
        if let Some(account) = &folder.account {
            account.apply_to(&mut command);
        }
        // Nobody misses the data of a throw-away cluster, so it need not be written out.
        let last_word = if options.durable { Signal::SIGINT } else { Signal::SIGQUIT };
        let process = Process::start(command, last_word, ()).map_err(|error| {
            initialise::explain(folder, &program, &error)
                .unwrap_or_else(|detail| EmbeddedError::StartFailed { detail })
        })?;
        let mut postmaster = Self { process, log, place: folder.postgres.clone() };
        let maintenance = connect_options(folder, SUPERUSER, &options.database);
        postmaster.ready(&maintenance, &options.database).await?;
        Ok(postmaster)
    }

    pub fn pid(&self) -> u32 {
        self.process.pid().unsigned_abs()
    }

    pub async fn stop(&mut self, folder: &Folder) -> Result<(), EmbeddedError> {
        let began = Instant::now();
        for (signal, patience) in STOPS {
            self.process.signal(signal);
            let ended = async {
                tokio::select! {
                    _ = self.process.ended() => true,
                    () = stuck(folder), if signal == Signal::SIGINT => false,
                }
            };
            if timeout(patience, ended).await == Ok(true) {
                return Ok(());
            }
        }
        Err(self.gave_up("the server to stop", began.elapsed().as_secs()))
    }

    /// A socket that accepts is not enough: a server in the middle of starting or stopping does
    /// that too, and resets.
    async fn ready(
        &mut self,
        options: &PgConnectOptions,
        database: &str,
    ) -> Result<(), EmbeddedError> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(2);
        while began.elapsed() < READY {
            match timeout(ANSWER, ensure_database(options, database)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(sqlx::Error::Database(error))) if !passes(error.code().as_deref()) => {
                    let detail = error.to_string();
                    return Err(EmbeddedError::StartFailed { detail });
                }
                Ok(Err(error)) => tracing::trace!(%error, "the server is not ready yet"),
                Err(_) => tracing::debug!("the server does not answer yet"),
            }
            tokio::select! {
                _ = self.process.ended() => {
                    return Err(EmbeddedError::StartFailed { detail: self.log.tail() });
                }
                () = sleep(pause) => pause = (pause * 2).min(Duration::from_millis(50)),
            }
        }
        Err(self.gave_up("the server to answer", READY.as_secs()))
    }

    fn gave_up(&self, what: &'static str, seconds: u64) -> EmbeddedError {
        EmbeddedError::Timeout { what, folder: self.place.clone(), seconds }
    }
}

/// Comes back when a server that was asked to stop gets no further: see [`leftovers`].
async fn stuck(folder: &Folder) {
    let mut quiet = Quiet::default();
    while quiet.look(leftovers::workers(folder).as_ref()) < QUIET {
        sleep(LOOK).await;
    }
}

/// At every start, since the service may have been killed right after the cluster was made.
async fn ensure_database(options: &PgConnectOptions, name: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
    if !there {
        let statement = format!("create database {}", identifier(name));
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    connection.close().await
}

/// No statement takes an identifier as a parameter: quotes make any name one.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Refusals that time heals: starting or stopping; and, when an attempt was cut off, a database
/// that is being made or has been.
fn passes(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("57P0") || matches!(code, "55006" | "42P04"))
}

/// Everything that the environment could set is set: `sqlx` would take the rest from there.
pub(crate) fn connect_options(
    folder: &Folder,
    database: &str,
    application: &str,
) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&folder.sockets)
        .port(PORT)
        .username(SUPERUSER)
        .database(database)
        .application_name(application)
        .ssl_mode(PgSslMode::Disable)
}

/// Later ones win: what keeps the server private comes last.
fn settings(options: &EmbeddedOptions, sockets: &Path) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    let mut set = |name: &str, value: &str| all.push(format!("{name}={value}").into());
    if options.durable {
        set("fsync", "on");
        set("full_page_writes", "on");
    } else {
        set("fsync", "off");
        set("full_page_writes", "off");
        set("synchronous_commit", "off");
    }
    set("max_connections", &options.max_connections.to_string());
    for (name, value) in &options.settings {
        set(name, value);
    }
    set("listen_addresses", "");
    set("port", &PORT.to_string());
    set("unix_socket_permissions", "0700");
    // It logs to the file that it was given, not to one of its own.
    set("logging_collector", "off");
    let mut directory = OsString::from("unix_socket_directories=");
    directory.push(quoted(sockets));
    all.push(directory);
    all
}

/// The setting is a list: quotes keep a path with a comma whole.
fn quoted(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        if *byte == b'"' {
            bytes.push(b'"');
        }
        bytes.push(*byte);
    }
    bytes.push(b'"');
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(durable: bool, extra: &[(&str, &str)]) -> EmbeddedOptions {
        EmbeddedOptions {
            folder: "service".into(),
            database: "service".into(),
            durable,
            max_connections: 20,
            settings: extra.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            binaries: None,
        }
    }

    fn last(all: &[OsString], name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        all.iter()
            .rev()
            .find_map(|setting| setting.to_str()?.strip_prefix(&prefix).map(str::to_owned))
    }

    #[test]
    fn no_setting_opens_the_server() {
        let extra = [("listen_addresses", "*"), ("unix_socket_permissions", "0777")];
        let all = settings(&options(true, &extra), Path::new("/s"));
        assert_eq!(last(&all, "listen_addresses").as_deref(), Some(""));
        assert_eq!(last(&all, "unix_socket_permissions").as_deref(), Some("0700"));
    }

    #[test]
    fn only_a_throw_away_cluster_forgoes_fsync() {
        let fsync = |durable| last(&settings(&options(durable, &[]), Path::new("/s")), "fsync");
        assert_eq!(fsync(true).as_deref(), Some("on"));
        assert_eq!(fsync(false).as_deref(), Some("off"));
    }

    #[test]
    fn a_path_stays_one_path() {
        assert_eq!(quoted(Path::new("/a, b/\"c\"")), OsString::from("\"/a, b/\"\"c\"\"\""));
    }

    #[test]
    fn a_name_stays_one_name() {
        assert_eq!(identifier("a\"; drop database b"), "\"a\"\"; drop database b\"");
    }

    #[test]
    fn starting_and_stopping_pass_and_a_refused_login_does_not() {
        assert!(passes(Some("57P03")) && passes(Some("57P01")));
        assert!(!passes(Some("28000")) && !passes(None));
    }
}
