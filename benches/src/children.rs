//! The processes that are measured: the service and the bare handlers. They end with the harness.

use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use embedded_postgres::{EmbeddedOptions, EmbeddedPostgres, fetch_postgres, find_binaries};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::client;
use crate::cpu;

const PATIENCE: Duration = Duration::from_mins(3);

/// What is started, and where it may write.
#[derive(Debug, Clone)]
pub struct Site {
    pub service: PathBuf,
    /// The folder of PostgreSQL's programs.
    pub postgres: PathBuf,
    pub folder: PathBuf,
}

impl Site {
    /// With PostgreSQL as it is installed or, where it is not, fetched as the tests do.
    pub async fn new(service: PathBuf, folder: PathBuf) -> Result<Self> {
        let postgres = if let Some(found) = find_binaries() {
            found
        } else {
            let place = std::env::temp_dir().join("bailiwick-test-postgres");
            fetch_postgres(&place, |line| eprintln!("{line}")).await?
        };
        Ok(Self { service, postgres, folder })
    }

    /// A PostgreSQL of the run's own, as durable as one that serves.
    pub async fn cluster(&self) -> Result<EmbeddedPostgres> {
        let options = EmbeddedOptions {
            folder: self.folder.join("cluster"),
            database: "bailiwick".to_owned(),
            durable: true,
            max_connections: 300,
            settings: Vec::new(),
            binaries: Some(self.postgres.clone()),
        };
        EmbeddedPostgres::start(options).await.context("PostgreSQL cannot be started")
    }

    /// Where the service and its PostgreSQL look for programs.
    pub fn path(&self) -> Result<OsString> {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.postgres.clone()).chain(std::env::split_paths(&own));
        Ok(std::env::join_paths(folders)?)
    }

    /// The same with a folder of its own below this one.
    pub fn apart(&self, name: &str) -> Result<Self> {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, ..self.clone() })
    }

    /// What the programs say goes there.
    pub fn log(&self) -> Result<File> {
        Ok(File::options().create(true).append(true).open(self.folder.join("log"))?)
    }

    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("; ")
    }
}

/// A serving process.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    pub address: SocketAddr,
    /// From its start until it was ready.
    pub ready_after: Duration,
}

/// Memory of a process, in MB of 10^6 bytes: at this moment, and the most so far.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Memory {
    pub resident: f64,
    pub most: f64,
}

impl Serving {
    /// Starts the command and waits until `path` at its address answers with `status`.
    pub async fn start(
        site: &Site,
        mut command: Command,
        address: SocketAddr,
        ready: (&str, u16),
    ) -> Result<Self> {
        command.kill_on_drop(true);
        Self::start_polite(site, command, address, ready).await
    }

    /// The same of a program that ends when its standard input does, with all that it started.
    pub async fn start_polite(
        site: &Site,
        mut command: Command,
        address: SocketAddr,
        (path, status): (&str, u16),
    ) -> Result<Self> {
        let log = site.log()?;
        let program = PathBuf::from(command.as_std().get_program());
        // Nothing of the caller's settings but PATH.
        command
            .env("PATH", site.path()?)
            .current_dir(&site.folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        let began = Instant::now();
        let mut child =
            command.spawn().with_context(|| format!("{} cannot be started", program.display()))?;
        while began.elapsed() < PATIENCE {
            if client::get(address, path, &[]).await.is_ok_and(|answer| answer.status == status) {
                return Ok(Self { child, address, ready_after: began.elapsed() });
            }
            if let Some(ended) = child.try_wait()? {
                bail!("{} ended at once ({ended}): {}", program.display(), site.last_words());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (waited, words) = (PATIENCE.as_secs(), site.last_words());
        bail!("{} is not ready after {waited} s: {words}", program.display())
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to stop and waits for its end.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        }
        tokio::time::timeout(PATIENCE, self.child.wait()).await.context("it does not stop")??;
        Ok(())
    }

    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.pid().context("it has ended")?).context("it has ended")
    }

    /// Of the process and of all that it started.
    pub fn memory_of_all(&self) -> Result<Memory> {
        let pid = self.pid().context("it has ended")?;
        let all = cpu::tree(pid).into_iter().filter_map(Memory::of);
        let sum = |sum: Memory, one: Memory| Memory {
            resident: sum.resident + one.resident,
            most: sum.most + one.most,
        };
        all.reduce(sum).context("it has ended")
    }
}

impl Memory {
    fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let read = |name: &str| -> Option<f64> {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes = value.trim_end_matches("kB").trim().parse::<f64>().ok()?;
            Some(kilobytes * 1024.0 / 1e6)
        };
        Some(Self { resident: read("VmRSS:")?, most: read("VmHWM:")? })
    }
}

/// An address that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A command in an empty environment.
pub fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command
}

/// The service's binary, built from the present sources in the profile of this one.
pub async fn service_binary(chosen: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = chosen {
        return Ok(path.canonicalize()?);
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().context("no folder")?;
    let profile = folder.file_name().and_then(|name| name.to_str()).context("no profile")?;
    let profile = if profile == "debug" { "dev" } else { profile };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args([
        "build",
        "--package",
        "bailiwick",
        "--bin",
        "bailiwick",
        "--profile",
        profile,
    ]);
    let outcome = build
        .env_remove("DATABASE_URL")
        .kill_on_drop(true)
        .status()
        .await
        .context("cargo cannot be started; name a binary by --service")?;
    anyhow::ensure!(outcome.success(), "the service could not be built");
    Ok(folder.join("bailiwick"))
}
