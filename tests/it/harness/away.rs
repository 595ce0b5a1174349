//! A PostgreSQL of a test's own, to be stopped, killed, frozen, and started again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use embedded_postgres::EmbeddedPostgres;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::cluster;

static SERVERS: AtomicU32 = AtomicU32::new(0);

/// How a database goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// In order: connections are ended with a word, and the socket is gone.
    Stopped,
    /// At once, without a word. The socket that it leaves refuses connections, as a host without a
    /// server does.
    Killed,
    /// All its processes stop where they are: connections are taken by the kernel, and nobody
    /// answers on them.
    Frozen,
}

/// The server. Only one test may have it.
pub struct Server {
    folder: PathBuf,
    postgres: Option<EmbeddedPostgres>,
    frozen: Vec<Pid>,
}

impl Server {
    pub async fn start() -> Self {
        let folder = cluster::own_folder()
            .join(format!("server-{}", SERVERS.fetch_add(1, Ordering::SeqCst)));
        let postgres = cluster::start_in(folder.clone(), true, Vec::new()).await;
        Self { folder, postgres: Some(postgres), frozen: Vec::new() }
    }

    /// A migrated database on it. How it is reached stays the same for as long as the test goes.
    pub async fn database(&self) -> PgConnectOptions {
        cluster::copy_of_template(self.postgres.as_ref().unwrap()).await
    }

    pub async fn goes(&mut self, how: Going) {
        let postmaster =
            Pid::from_raw(self.postgres.as_ref().unwrap().postmaster_pid().try_into().unwrap());
        match how {
            Going::Stopped => self.postgres.take().unwrap().stop().await.unwrap(),
            Going::Killed => {
                let processes = if self.frozen.is_empty() {
                    self.processes().await
                } else {
                    std::mem::take(&mut self.frozen)
                };
                kill(postmaster, Signal::SIGKILL).unwrap();
                send(&processes, Signal::SIGKILL);
                self.postgres = None;
            }
            Going::Frozen => {
                self.frozen = self.processes().await;
                self.frozen.insert(0, postmaster);
                send(&self.frozen, Signal::SIGSTOP);
            }
        }
    }

    /// The door through which new connections come, open or not. Those that are there go on.
    pub fn door(&self, is_open: bool) {
        let options = self.postgres.as_ref().unwrap().connect_options("postgres");
        let door = options.get_socket().unwrap().join(format!(".s.PGSQL.{}", options.get_port()));
        let aside = door.with_extension("aside");
        let (from, to) = if is_open { (aside, door) } else { (door, aside) };
        std::fs::rename(from, to).unwrap();
    }

    /// Some sessions stop where they are; the server goes on, and takes others.
    pub fn freeze(&mut self, sessions: &[i32]) {
        self.frozen = sessions.iter().copied().map(Pid::from_raw).collect();
        send(&self.frozen, Signal::SIGSTOP);
    }

    /// Whether it will wait for what another one does when it comes back, and not write itself.
    pub fn follows(&self, another: bool) {
        let signal = self.folder.join("postgres/data/standby.signal");
        if another {
            std::fs::write(signal, []).unwrap();
        } else {
            std::fs::remove_file(signal).unwrap();
        }
    }

    pub async fn comes_back(&mut self) {
        self.thaw();
        if self.postgres.is_none() {
            self.postgres = Some(cluster::start_on(self.folder.clone(), true, Vec::new()).await);
        }
    }

    fn thaw(&mut self) {
        send(&std::mem::take(&mut self.frozen), Signal::SIGCONT);
    }

    /// What works beside the postmaster, as it tells itself.
    async fn processes(&self) -> Vec<Pid> {
        let options = self.postgres.as_ref().unwrap().connect_options("postgres");
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let processes: Vec<i32> = sqlx::query_scalar("select pid from pg_stat_activity")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        processes.into_iter().map(Pid::from_raw).collect()
    }
}

/// Some may have ended by themselves.
fn send(processes: &[Pid], signal: Signal) {
    for pid in processes {
        kill(*pid, signal).unwrap_or_default();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Who is frozen hears nothing, nor that it is to end.
        self.thaw();
    }
}
