//! The service as a process of its own: the real program.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bailiwick::kernel::config;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use super::TestApp;

/// Far more than a line of the log takes to come.
const PATIENCE: Duration = Duration::from_mins(1);

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_bailiwick");

/// A program that knows nothing of what whoever runs the tests has set.
pub fn without_settings(program: &str) -> Command {
    let mut command = Command::new(program);
    for setting in config::documentation() {
        command.env_remove(setting.environment_name);
        setting.file_environment_name.map(|name| command.env_remove(name));
    }
    command
}

/// What a command of the program said: whether it went well, and both outputs in one.
#[derive(Debug)]
pub struct Said {
    pub well: bool,
    pub text: String,
}

/// Runs a command to its end. Not on a thread of the runtime: a server that is asked meanwhile may
/// live on it.
pub async fn said(mut command: Command) -> Said {
    tokio::task::spawn_blocking(move || {
        let output = command.output().unwrap();
        let text =
            [output.stdout, output.stderr].map(|part| String::from_utf8(part).unwrap()).concat();
        Said { well: output.status.success(), text }
    })
    .await
    .unwrap()
}

/// A running one, on a free port; stopped when it is dropped.
pub struct Service {
    process: Child,
    pub base: String,
    // Last, so that the folder goes when nobody works in it any more.
    folder: TempDir,
}

impl Service {
    /// As `cargo run` starts it: with its own PostgreSQL and the demo.
    pub fn of_a_newcomer() -> Self {
        Self::start(&[])
    }

    /// With these variables, and none that whoever runs the tests has set.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::begin(variables, Stdio::inherit())
    }

    /// The same, with what it logs.
    pub fn start_logging(variables: &[(&str, &str)]) -> (Self, Lines) {
        let mut service =
            Self::begin(&[&[("BAILIWICK_LOG", "info")], variables].concat(), Stdio::piped());
        let log =
            BufReader::new(service.process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let (written, lines) = channel();
        std::thread::spawn(move || log.for_each(|line| drop(written.send(line))));
        (service, Lines(lines))
    }

    fn begin(variables: &[(&str, &str)], stderr: Stdio) -> Self {
        let folder = folder();
        let mut command = command(&folder);
        let settings = [("LISTEN", "127.0.0.1:0"), ("METRICS_LISTEN", "off"), ("LOG", "warn")];
        command
            .envs(settings.map(|(name, value)| (format!("BAILIWICK_{name}"), value)))
            .envs(variables.iter().copied());
        let process = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut service = Self { process, base: String::new(), folder };
        let mut greeting =
            BufReader::new(service.process.stdout.take().unwrap()).lines().map(Result::unwrap);
        service.base = greeting
            .find_map(|line| line.strip_prefix("Bailiwick listens on ").map(str::to_owned))
            .unwrap();
        // Whatever else is said: nobody may be left writing into a pipe without a reader.
        std::thread::spawn(move || greeting.for_each(drop));
        service
    }

    /// As another node of the service under test; it dies at this moment, if any. (A process blocks
    /// until it has greeted.)
    pub async fn beside(app: &TestApp, die_at: Option<&'static str>) -> Self {
        let mut variables = vec![
            ("DATABASE_URL", url(&app.options)),
            ("BAILIWICK_SECRET_KEY", STANDARD.encode([7; 32])),
            ("BAILIWICK_ISSUER", "http://test".to_owned()),
            ("BAILIWICK_RATE_LIMITS", "off".to_owned()),
            ("BAILIWICK_DATABASE_POOL", "4".to_owned()),
        ];
        variables.extend(die_at.map(|moment| ("DIE_AT", moment.to_owned())));
        let started = tokio::task::spawn_blocking(move || {
            let variables: Vec<(&str, &str)> =
                variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Self::start(&variables)
        });
        started.await.unwrap()
    }

    /// Where it writes mail, which it does with its own database unasked.
    pub fn mail_dir(&self) -> PathBuf {
        self.folder.path().join(".bailiwick/mail")
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

/// What a service logs, line by line.
pub struct Lines(Receiver<String>);

impl Lines {
    /// All lines up to the next one that holds the words, with it.
    pub fn until(&self, words: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| line.contains(words)) {
            let next = self.0.recv_timeout(PATIENCE);
            lines.push(
                next.unwrap_or_else(|_| panic!("no line holds `{words}`: {}", lines.join("\n"))),
            );
        }
        lines
    }
}

/// Runs a command of the program to its end.
pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = folder();
    command(&folder).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

/// The same, with this on its standard input.
pub fn run_with_input(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let folder = folder();
    let mut command = command(&folder);
    command.args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

/// What `DATABASE_URL` says of a database of the tests.
pub fn url(options: &PgConnectOptions) -> String {
    let socket = options.get_socket().unwrap().display().to_string().replace('/', "%2F");
    format!(
        "postgres://{}@localhost/{}?host={socket}",
        options.get_username(),
        options.get_database().unwrap()
    )
}

/// Enterable for the account that PostgreSQL runs as when the tests run as root.
fn folder() -> TempDir {
    tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap()
}

/// The program in that folder, with no setting of whoever runs the tests.
fn command(folder: &TempDir) -> Command {
    let mut command = without_settings(PROGRAM);
    command.current_dir(folder.path());
    command
}

impl Drop for Service {
    fn drop(&mut self) {
        // In order, so that its PostgreSQL ends with it.
        if let Ok(None) = self.process.try_wait() {
            let _ = kill(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGTERM);
            let _ = self.process.wait();
        }
    }
}
