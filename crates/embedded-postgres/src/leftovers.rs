//! Waits until no process of an earlier run works in the folder, and then removes what would keep
//! the next server from starting.
//!
//! Every server process inherits a locked file (the *claim*) as its standard input, and the lock is
//! gone when the last of them is: the kernel keeps that account across process namespaces, and
//! zombies do not count. A server that somebody started by hand does not hold it, nor do `initdb`'s
//! helpers; those show by their working directory in `/proc`.
//!
//! The recorded process number alone proves nothing. It may be that of a zombie which nobody reaps
//! (a container's init seldom does), or of a stranger after a restart.
//!
//! An orderly stop may take its time as long as something of it works. It can also never end: a
//! postmaster that is asked to stop while it recovers from the death of a child waits, since
//! PostgreSQL 15, for a checkpointer that nobody told. So the signal after it comes when nothing
//! has worked for a moment (`quiet`), and not when a patience has run out.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::quiet::{QUIET, Quiet};
use crate::{EmbeddedError, account::Account, folder::Folder};

/// An orderly stop writes everything out; after this, the log has to do.
const ORDERLY: Duration = Duration::from_secs(10);
/// Server processes without a postmaster end by themselves, unless they are busy.
const ORPHANED: Duration = Duration::from_secs(1);
/// One that was told to drop everything has nothing to write. (PostgreSQL itself gives a child that
/// does not hear five seconds.)
const DROPPED: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the claim, locked, for the next server to inherit.
pub(crate) async fn clear(folder: &Folder) -> Result<File, EmbeddedError> {
    let path = folder.postgres.join("claim");
    let failed = EmbeddedError::not_writable(&path);
    let claim = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(&failed)?;
    let began = Instant::now();
    let mut asked = None;
    let mut quiet = Quiet::default();
    let mut pause = Duration::from_millis(1);
    loop {
        let free = match claim.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        };
        let workers = workers(folder);
        if free && workers.as_ref().is_none_or(BTreeSet::is_empty) {
            if workers.is_some() {
                folder.remove_traces();
            }
            return Ok(claim);
        }
        if began.elapsed() > PATIENCE {
            return Err(EmbeddedError::Timeout {
                what: "an earlier server to end",
                folder: folder.postgres.clone(),
                seconds: PATIENCE.as_secs(),
            });
        }
        let seen = Seen { waited: began.elapsed(), quiet: quiet.look(workers.as_ref()), asked };
        asked = urge(folder, workers, seen);
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// What the next signal depends on.
#[derive(Debug, Clone, Copy)]
struct Seen {
    waited: Duration,
    /// For how long nothing of what is left has been seen at work.
    quiet: Duration,
    /// The last signal, and when it was sent.
    asked: Option<(Signal, Duration)>,
}

/// Asks what is left to end, with more force as time passes, and each thing once. Only what was
/// seen working in the folder is ever killed; where nothing can be seen, the recorded postmaster is
/// asked, since the claim shows that a server lives. Returns what was asked for last.
fn urge(folder: &Folder, workers: Option<BTreeSet<i32>>, seen: Seen) -> Option<(Signal, Duration)> {
    let postmaster = folder
        .recorded_postmaster()
        .filter(|pid| workers.as_ref().is_none_or(|workers| workers.contains(pid)));
    let before = seen.asked.map(|(signal, _)| signal);
    let signal = remedy(seen, postmaster.is_some());
    let Some(signal) =
        signal.filter(|signal| before != Some(*signal) || *signal == Signal::SIGKILL)
    else {
        return seen.asked;
    };
    let targets = match signal {
        Signal::SIGKILL => workers.unwrap_or_default(),
        _ => postmaster.into_iter().collect(),
    };
    if before != Some(signal) {
        tracing::info!(%signal, ?targets, "stopping what an earlier run left");
    }
    for pid in targets {
        let _ = kill(Pid::from_raw(pid), signal);
    }
    Some((signal, seen.waited))
}

/// Nothing here loses what was committed: the next server replays its log.
fn remedy(seen: Seen, postmaster: bool) -> Option<Signal> {
    match seen.asked {
        Some((Signal::SIGKILL, _)) => Some(Signal::SIGKILL),
        Some((Signal::SIGQUIT, since)) if seen.waited >= since + DROPPED => Some(Signal::SIGKILL),
        Some((Signal::SIGQUIT, _)) if postmaster => Some(Signal::SIGQUIT),
        _ if postmaster && seen.quiet < QUIET && seen.waited < ORDERLY => Some(Signal::SIGINT),
        _ if postmaster => Some(Signal::SIGQUIT),
        _ if seen.waited < ORPHANED => None,
        _ => Some(Signal::SIGKILL),
    }
}

/// The server processes that work in the data, or in what `initdb` is making; `None` where that
/// cannot be told.
pub(crate) fn workers(folder: &Folder) -> Option<BTreeSet<i32>> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let places: Vec<(u64, u64)> = [&folder.data, &folder.data_new]
        .into_iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|found| (found.dev(), found.ino()))
        .collect();
    if places.is_empty() {
        return Some(BTreeSet::new());
    }
    // A thread, because it takes on the account's rights: root in a container often may not look at
    // the processes of others, while everybody may look at his own.
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                see_as(folder.account.as_ref());
                working_in(Path::new("/proc"), &places)
            })
            .join()
            .ok()
            .flatten()
    })
}

#[cfg(target_os = "linux")]
fn see_as(account: Option<&Account>) {
    if let Some(account) = account {
        nix::unistd::setfsgid(account.gid);
        nix::unistd::setfsuid(account.uid);
    }
}

#[cfg(not(target_os = "linux"))]
fn see_as(_: Option<&Account>) {}

fn working_in(proc: &Path, places: &[(u64, u64)]) -> Option<BTreeSet<i32>> {
    let processes = fs::read_dir(proc).ok()?.flatten();
    let found = processes.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let program = fs::read_to_string(entry.path().join("comm")).ok()?;
        // A shell that somebody left standing there is none of ours to end.
        if !matches!(program.trim(), "postgres" | "postmaster" | "initdb") {
            return None;
        }
        // A zombie has no working directory any more.
        let at = fs::metadata(entry.path().join("cwd")).ok()?;
        places.contains(&(at.dev(), at.ino())).then_some(pid)
    });
    Some(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn force_grows_with_time_and_with_quiet() {
        let seen = |waited, quiet, asked| Seen { waited: ms(waited), quiet: ms(quiet), asked };
        let ms_ago = |signal, since| Some((signal, ms(since)));
        assert_eq!(remedy(seen(0, 0, None), true), Some(Signal::SIGINT));
        assert_eq!(
            remedy(seen(9_000, 0, ms_ago(Signal::SIGINT, 0)), true),
            Some(Signal::SIGINT),
            "it works"
        );
        assert_eq!(
            remedy(seen(700, 600, ms_ago(Signal::SIGINT, 0)), true),
            Some(Signal::SIGQUIT),
            "it does not"
        );
        assert_eq!(remedy(seen(12_000, 0, ms_ago(Signal::SIGINT, 0)), true), Some(Signal::SIGQUIT));
        assert_eq!(remedy(seen(900, 0, ms_ago(Signal::SIGQUIT, 700)), true), Some(Signal::SIGQUIT));
        assert_eq!(
            remedy(seen(1_700, 0, ms_ago(Signal::SIGQUIT, 700)), true),
            Some(Signal::SIGKILL)
        );
        assert_eq!(remedy(seen(0, 0, None), false), None);
        assert_eq!(remedy(seen(2_000, 0, None), false), Some(Signal::SIGKILL));
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn only_living_server_processes_in_the_place_count() {
        let proc = tempfile::tempdir().unwrap();
        let place = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let process = |pid: &str, program: &str, cwd: Option<&Path>| {
            let folder = proc.path().join(pid);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("comm"), format!("{program}\n")).unwrap();
            if let Some(cwd) = cwd {
                std::os::unix::fs::symlink(cwd, folder.join("cwd")).unwrap();
            }
        };
        process("10", "postgres", Some(place.path()));
        process("11", "bash", Some(place.path()));
        process("12", "postgres", Some(elsewhere.path()));
        process("13", "postgres", None);
        process("self", "postgres", Some(place.path()));
        let at = place.path().metadata().unwrap();
        let found = working_in(proc.path(), &[(at.dev(), at.ino())]);
        assert_eq!(found, Some(BTreeSet::from([10])));
    }
}
