//! Starts and stops a PostgreSQL that belongs to the program: to a service that should run without
//! anything installed for it, and to its tests.
//!
//! What makes it more than a `Command::spawn` is that service, postmaster or both may be killed at
//! any moment and the next start must work at once, with everything committed still there. Three
//! rules carry that:
//!
//! * a file lock decides who may touch the folder (`folder`);
//! * a second file lock, inherited by every server process, tells whether any of them still lives
//!   (`leftovers`): nothing is removed or started before they are gone;
//! * the postmaster is told by the kernel when the service dies (`process`).
//!
//! A postmaster left behind is never taken over: it has been, or is about to be, told to stop, so
//! that a `select 1` which it answers says nothing about the next one. It is waited for, and a
//! fresh one with the settings asked for is started.

mod account;
mod binaries;
mod error;
mod fetch;
mod folder;
mod initialise;
mod leftovers;
mod log;
mod postmaster;
mod process;
mod quiet;

use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnectOptions;

pub use binaries::find_binaries;
pub use error::EmbeddedError;
pub use fetch::{FetchError, HOW_TO_INSTALL, fetch_postgres};

use folder::Folder;
use postmaster::Postmaster;

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The service's own folder; the cluster lives in `postgres/data` below it.
    pub folder: PathBuf,
    /// The name of the database that is made at first start, and of the connections to it.
    pub database: String,
    /// `true` keeps what was committed through a loss of power and checks pages by checksums;
    /// `false` is a throw-away cluster for tests.
    pub durable: bool,
    pub max_connections: u16,
    /// More server settings. They cannot open the server to the network.
    pub settings: Vec<(String, String)>,
    /// The folder of the server programs; `None` looks for them.
    pub binaries: Option<PathBuf>,
}

/// A running server. It stops with [`stop`](Self::stop), on drop, and when the process dies.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    // Dropped in this order: the server is told to stop before the folder is given back.
    postmaster: Postmaster,
    folder: Folder,
    database: String,
}

impl EmbeddedPostgres {
    /// Starts the server on its folder, made at first use, and waits until it answers queries.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let folder = Folder::open(&options.folder).await?;
        let binaries = binaries::for_cluster(options.binaries.as_deref(), &folder)?;
        let claim = leftovers::clear(&folder).await?;
        folder.prepare()?;
        if folder.made_by().is_none() {
            initialise::cluster(&folder, &binaries, options.durable).await?;
        }
        let postmaster = Postmaster::start(&folder, &binaries, &options, claim).await?;
        Ok(Self { postmaster, folder, database: options.database })
    }

    /// Where the socket is: a folder that only the server's account (and root) can enter.
    pub fn socket_directory(&self) -> &Path {
        &self.folder.sockets
    }

    /// The superuser's name.
    pub fn user(&self) -> &str {
        postmaster::SUPERUSER
    }

    /// The database made at first start.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// How to connect to `database` as the superuser.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        postmaster::connect_options(&self.folder, database, &self.database)
    }

    pub fn postmaster_pid(&self) -> u32 {
        self.postmaster.pid()
    }

    /// Ends open sessions, writes everything out, and returns when the server is gone.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        self.postmaster.stop(&self.folder).await?;
        self.folder.leave();
        Ok(())
    }
}
