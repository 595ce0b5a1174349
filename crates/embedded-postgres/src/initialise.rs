//! Makes the cluster: `initdb` works beside the final place, so that a cluster that is there is
//! whole, whenever the service was killed.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::timeout;

use crate::log::Log;
use crate::process::Process;
use crate::{EmbeddedError, folder::Folder, postmaster::SUPERUSER};

const PATIENCE: Duration = Duration::from_mins(2);

/// Unicode without a language's sorting: the same on every machine. The second choice is for
/// systems that lack the first.
const LOCALES: [&str; 2] = ["--locale=C.UTF-8", "--no-locale"];

pub(crate) async fn cluster(
    folder: &Folder,
    binaries: &Path,
    durable: bool,
) -> Result<(), EmbeddedError> {
    let place = &folder.data_new;
    let failed = EmbeddedError::not_writable(place);
    DirBuilder::new().mode(0o700).create(place).map_err(&failed)?;
    folder.give_away(place)?;
    let log = Log::open(&folder.log)?;
    let mut done = false;
    for locale in LOCALES {
        done = run(folder, binaries, durable, locale, &log).await?;
        if done {
            break;
        }
    }
    if !done {
        return Err(EmbeddedError::InitFailed { detail: log.tail() });
    }
    fs::rename(place, &folder.data).map_err(&failed)?;
    if durable {
        // The rename itself has to survive a loss of power.
        sync(&folder.postgres).map_err(&failed)?;
    }
    Ok(())
}

async fn run(
    folder: &Folder,
    binaries: &Path,
    durable: bool,
    locale: &str,
    log: &Log,
) -> Result<bool, EmbeddedError> {
    let program = binaries.join("initdb");
    let mut command = Command::new(&program);
    command.arg("--pgdata").arg(&folder.data_new);
    command.args(["--username", SUPERUSER, "--encoding=UTF8", locale, "--lc-messages=C"]);
    // Whoever can enter the socket's folder is the service itself; there is no other way in.
    command.args(["--auth-local=trust", "--auth-host=reject", "--no-instructions"]);
    command.arg(if durable { "--data-checksums" } else { "--no-sync" });
    command.current_dir(&folder.data_new).stdin(Stdio::null());
    log.attach(&mut command)?;
    if let Some(account) = &folder.account {
        account.apply_to(&mut command);
    }
    // Not SIGINT: initdb would tidy up, in the way of the next start, which does it anyway.
    let started = Process::start(command, Signal::SIGKILL, folder.lock.clone());
    let mut initdb = started.map_err(|error| {
        explain(folder, &program, &error)
            .unwrap_or_else(|detail| EmbeddedError::InitFailed { detail })
    })?;
    let ended = timeout(PATIENCE, initdb.ended()).await;
    let status = ended.map_err(|_| EmbeddedError::Timeout {
        what: "initdb",
        folder: folder.postgres.clone(),
        seconds: PATIENCE.as_secs(),
    })?;
    Ok(status.is_some_and(|status: ExitStatus| status.success()))
}

/// Why a program could not be run, or else the bare facts.
pub(crate) fn explain(
    folder: &Folder,
    program: &Path,
    error: &io::Error,
) -> Result<EmbeddedError, String> {
    if error.kind() == io::ErrorKind::PermissionDenied
        && let Some(account) = &folder.account
    {
        let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
        for path in [&folder.postgres, &real] {
            if let Some(parent) = account.closed_parent(path.parent().unwrap_or(path)) {
                return Ok(EmbeddedError::FolderNotEnterable {
                    path: path.clone(),
                    parent,
                    user: account.name.clone(),
                });
            }
        }
    }
    Err(format!("{} could not be run: {error}", program.display()))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
