//! The service as a process of its own: the real program.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use bailiwick::config;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A running one, on a free port; stopped when it is dropped.
pub struct Service {
    process: Child,
    pub base: String,
    // Last, so that the folder goes when nobody works in it any more.
    _folder: TempDir,
}

impl Service {
    /// As `cargo run` starts it: with its own PostgreSQL and the demo.
    pub fn of_a_newcomer() -> Self {
        Self::start(&[])
    }

    /// With these variables, and none that whoever runs the tests has set.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        // Enterable for the account that PostgreSQL runs as when the tests run as root.
        let folder = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
        for setting in config::documentation() {
            command.env_remove(setting.environment_name);
            setting.file_environment_name.map(|name| command.env_remove(name));
        }
        let settings = [("LISTEN", "127.0.0.1:0"), ("METRICS_LISTEN", "off"), ("LOG", "warn")];
        command.envs(settings.map(|(name, value)| (format!("BAILIWICK_{name}"), value))).envs(variables.iter().copied());
        let process = command.current_dir(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut service = Self { process, base: String::new(), _folder: folder };
        let mut greeting = BufReader::new(service.process.stdout.take().unwrap()).lines().map(Result::unwrap);
        service.base = greeting.find_map(|line| line.strip_prefix("Bailiwick listens on ").map(str::to_owned)).unwrap();
        // Whatever else is said: nobody may be left writing into a pipe without a reader.
        std::thread::spawn(move || greeting.for_each(drop));
        service
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
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
