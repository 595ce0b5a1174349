//! The service's folder: what lies where, who may touch it, and the lock that keeps two services
//! apart.
//!
//! Root keeps `<folder>/postgres` and the log, and gives away only the data and the socket folder:
//! root never opens or removes by name in a folder that the server's account could have prepared.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::{EmbeddedError, account::Account};

/// Fixed, so that neither the environment nor a configuration file moves the socket.
pub(crate) const PORT: u16 = 5432;
/// What the kernel takes as the path of a socket, without the closing zero.
const LONGEST_SOCKET: usize = if cfg!(target_os = "macos") { 103 } else { 107 };
/// A service killed a moment ago may hold the lock until the kernel has torn it down.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Folder {
    /// Holds everything of the server's.
    pub postgres: PathBuf,
    pub data: PathBuf,
    /// Where `initdb` works: `data` appears only when it is whole.
    pub data_new: PathBuf,
    pub log: PathBuf,
    pub sockets: PathBuf,
    pub account: Option<Account>,
    /// Also held by the thread that waits for an `initdb`.
    pub lock: Arc<File>,
}

impl Folder {
    /// Makes the folder if need be and locks it, without touching what a server may be using.
    pub async fn open(path: &Path) -> Result<Self, EmbeddedError> {
        make(path)?;
        let root = path.canonicalize().map_err(EmbeddedError::not_writable(path))?;
        let lock = lock(&root).await?;
        let postgres = root.join("postgres");
        let data = postgres.join("data");
        let account = Account::choose(&data)?;
        make(&postgres)?;
        if account.is_some() {
            // Perhaps an ordinary user's until now: the account has to pass through.
            set_mode(&postgres, 0o711)?;
        }
        Ok(Self {
            data_new: postgres.join("data.new"),
            log: postgres.join("postgres.log"),
            sockets: socket_directory(&postgres),
            postgres,
            data,
            account,
            lock: Arc::new(lock),
        })
    }

    /// Readies what only a dead server leaves free to change: ownership, the socket folder, and the
    /// rest of an `initdb` that was killed.
    pub fn prepare(&self) -> Result<(), EmbeddedError> {
        self.make_socket_directory()?;
        match fs::remove_dir_all(&self.data_new) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(EmbeddedError::not_writable(&self.data_new)(error));
            }
            _ => {}
        }
        if self.made_by().is_some() {
            // A copied folder has lost both; the server refuses any other.
            self.give_away(&self.data)?;
            set_mode(&self.data, 0o700)?;
        }
        Ok(())
    }

    /// The version of PostgreSQL that made the data, `None` before there is any.
    pub fn made_by(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data.join("PG_VERSION")).ok()?;
        text.trim().parse().ok()
    }

    /// Hands a folder to the account that the server runs as, if that is another.
    pub fn give_away(&self, path: &Path) -> Result<(), EmbeddedError> {
        self.account
            .as_ref()
            .map_or(Ok(()), |account| account.own(path).map_err(EmbeddedError::not_writable(path)))
    }

    /// The process that the data says is its postmaster. It may be long dead.
    pub fn recorded_postmaster(&self) -> Option<i32> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Both files make a new server refuse if a process of the recorded number exists: a zombie
    /// that nobody reaps, or a stranger who got the number after a restart.
    pub fn remove_traces(&self) {
        let socket = format!(".s.PGSQL.{PORT}");
        for path in [
            self.data.join("postmaster.pid"),
            self.sockets.join(format!("{socket}.lock")),
            self.sockets.join(socket),
        ] {
            if fs::remove_file(&path).is_ok() {
                tracing::debug!(path = %path.display(), "removed what a killed server left");
            }
        }
    }

    /// After an orderly stop: nothing outside the folder stays, and nobody is named as its holder.
    pub fn leave(&self) {
        if !self.sockets.starts_with(&self.postgres) {
            let _ = fs::remove_dir(&self.sockets);
        }
        let _ = self.lock.set_len(0);
    }

    fn make_socket_directory(&self) -> Result<(), EmbeddedError> {
        let path = &self.sockets;
        let taken = || EmbeddedError::SocketDirectoryTaken { path: path.clone() };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(EmbeddedError::not_writable(path)(error));
            }
            _ => {}
        }
        if !path.starts_with(&self.postgres) {
            // In a folder where everybody writes, somebody may have come before.
            let found = fs::symlink_metadata(path).map_err(|_| taken())?;
            let owner = Uid::from_raw(found.uid());
            let ours = owner == Uid::effective()
                || self.account.as_ref().is_some_and(|account| account.uid == owner);
            if !found.is_dir() || !ours || found.mode() & 0o077 != 0 {
                return Err(taken());
            }
        }
        self.give_away(path)?;
        set_mode(path, 0o700)
    }
}

/// Makes a folder of ours, and its parents. Root leaves it open to passing through, since the
/// server's account has to; a folder that is there already keeps its mode.
fn make(path: &Path) -> Result<(), EmbeddedError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(EmbeddedError::not_writable(path))?;
    set_mode(path, if Uid::effective().is_root() { 0o711 } else { 0o700 })
}

fn set_mode(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(EmbeddedError::not_writable(path))
}

/// The operating system gives the lock back when its holder dies, however it dies.
async fn lock(root: &Path) -> Result<File, EmbeddedError> {
    let path = root.join("lock");
    let failed = EmbeddedError::not_writable(&path);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(&failed)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if began.elapsed() > LOCK_PATIENCE => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let pid = holder.trim().parse().ok();
                return Err(EmbeddedError::AlreadyRunning { folder: root.to_owned(), pid });
            }
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(20)).await,
        }
    }
    // Only for the message above.
    file.set_len(0).map_err(&failed)?;
    file.rewind().map_err(&failed)?;
    writeln!(file, "{}", std::process::id()).map_err(&failed)?;
    Ok(file)
}

/// Inside the folder, unless its path is too long for a socket: then a short one of its own, the
/// same at every start. The temporary folder is not asked for, since it depends on who asks.
fn socket_directory(postgres: &Path) -> PathBuf {
    let inside = postgres.join("run");
    let socket = inside.as_os_str().len() + format!("/.s.PGSQL.{PORT}").len();
    if socket <= LONGEST_SOCKET {
        return inside;
    }
    let mut name = String::from("embedded-postgres-");
    for byte in &Sha256::digest(postgres.as_os_str().as_bytes())[..8] {
        let _ = write!(name, "{byte:02x}");
    }
    Path::new("/tmp").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/…/run/.s.PGSQL.5432` of exactly this many bytes.
    fn socket_of_length(length: usize) -> PathBuf {
        let rest = "/run/.s.PGSQL.5432".len();
        PathBuf::from(format!("/{}", "x".repeat(length - rest - 1)))
    }

    #[test]
    fn the_socket_leaves_the_folder_only_when_it_must() {
        let longest = socket_of_length(LONGEST_SOCKET);
        assert_eq!(socket_directory(&longest), longest.join("run"));
        let longer = socket_of_length(LONGEST_SOCKET + 1);
        let moved = socket_directory(&longer);
        assert!(moved.starts_with("/tmp") && moved.as_os_str().len() < 40, "{moved:?}");
        assert_eq!(moved, socket_directory(&longer));
        assert_ne!(moved, socket_directory(&longer.join("x")));
    }
}
