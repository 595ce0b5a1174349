//! Child processes that die with the service.
//!
//! A server that outlived a killed service would keep the folder busy. Linux can signal a child
//! when its parent dies, but means the *thread* that started it: so each child has a thread of its
//! own, which starts it, waits for it and reaps it, and which therefore outlives every runtime.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

/// A running program; dropping it signals the program without waiting.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    last_word: Signal,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts the program in a process group of its own (Ctrl-C is for the service, which stops the
    /// program when it is done with it) and in an environment without anything that would change
    /// its behaviour. `last_word` is what it is sent when the service or this value goes; `held` is
    /// kept until it has ended.
    pub fn start<H: Send + 'static>(
        mut command: Command,
        last_word: Signal,
        held: H,
    ) -> io::Result<Self> {
        command.process_group(0);
        // PG* variables change what the programs do; TZ spares initdb the search for a time zone;
        // macOS refuses to serve without a locale.
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        die_with_this_thread(&mut command, last_word);
        let (started, pid) = sync_channel(1);
        let (ended, exit) = watch::channel(None);
        thread::Builder::new().name("postgres-keeper".to_owned()).spawn(move || {
            if let Some(mut child) = spawn(command, &started)
                && let Ok(status) = child.wait()
            {
                ended.send_replace(Some(status));
            }
            drop(held);
        })?;
        // As short as a fork, and without an await in which the child could be forgotten.
        let pid = pid.recv().unwrap_or_else(|_| Err(io::Error::other("its thread ended")))?;
        Ok(Self { pid, last_word, exit })
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn has_ended(&self) -> bool {
        self.exit.borrow().is_some() || self.exit.has_changed().is_err()
    }

    /// Not after the end: the number may be somebody else's by then.
    pub fn signal(&self, signal: Signal) {
        if !self.has_ended() {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Waits for the end; `None` if how it ended cannot be told.
    pub async fn ended(&mut self) -> Option<ExitStatus> {
        self.exit.wait_for(Option::is_some).await.ok().and_then(|status| *status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(self.last_word);
    }
}

/// Consumes the command, whose open files are then the child's alone.
fn spawn(mut command: Command, started: &SyncSender<io::Result<i32>>) -> Option<Child> {
    let (child, answer) = match command.spawn() {
        Ok(child) => {
            let pid = i32::try_from(child.id()).map_err(io::Error::other);
            (Some(child), pid)
        }
        Err(error) => (None, Err(error)),
    };
    let _ = started.send(answer);
    child
}

#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "the kernel forgets the signal when the user changes, so it has to be set between \
              that and exec, where only pre_exec reaches"
)]
fn die_with_this_thread(command: &mut Command, signal: Signal) {
    let service = std::process::id();
    let tie = move || {
        nix::sys::prctl::set_pdeathsig(signal)?;
        // The service may have died before that call: then nobody would ever signal.
        if std::os::unix::process::parent_id() == service {
            Ok(())
        } else {
            Err(io::Error::from(nix::errno::Errno::ESRCH))
        }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are sound; `tie` makes two plain
    // system calls and allocates nothing.
    unsafe {
        command.pre_exec(tie);
    }
}

/// Elsewhere a server outlives a killed service, and the next start stops it.
#[cfg(not(target_os = "linux"))]
fn die_with_this_thread(_: &mut Command, _: Signal) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_waited_for_and_its_holding_given_back() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "test -z \"$PGHOST$HOME\" && exit 3"]).env("PGHOST", "x");
        let held = std::sync::Arc::new(());
        let mut process = Process::start(command, Signal::SIGKILL, held.clone()).unwrap();
        assert_eq!(process.ended().await.and_then(|status| status.code()), Some(3));
        assert!(process.has_ended());
    }

    #[tokio::test]
    async fn a_dropped_program_is_told() {
        let mut command = Command::new("/bin/sleep");
        command.arg("600");
        let process = Process::start(command, Signal::SIGTERM, ()).unwrap();
        let mut exit = process.exit.clone();
        drop(process);
        let status = exit.wait_for(Option::is_some).await.unwrap().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert!(Process::start(Command::new("/nowhere"), Signal::SIGKILL, ()).is_err());
    }
}
