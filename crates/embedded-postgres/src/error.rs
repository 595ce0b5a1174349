//! What can go wrong when the embedded PostgreSQL starts or stops, in words for whoever typed
//! `cargo run`: one line that says what, where, and what to do.

use std::path::{Path, PathBuf};

/// Each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no PostgreSQL server (programs initdb and postgres, version 15 or newer) in PATH or the \
         usual folders: install one (Debian, Ubuntu: apt install postgresql; Fedora: dnf install \
         postgresql-server; macOS: brew install postgresql@17) or configure a database of your own"
    )]
    NoBinaries,

    #[error(
        "no PostgreSQL server (initdb and postgres, version 15 or newer) in {}: name the folder \
         that holds both programs",
        path.display()
    )]
    NoBinariesIn { path: PathBuf },

    #[error(
        "the data in {} belongs to PostgreSQL {made_by}, which is not installed here: install that \
         version, or move the folder away to begin anew",
        folder.display()
    )]
    OtherVersion { folder: PathBuf, made_by: u32 },

    #[error(
        "cannot write {}: {reason}; make it writable for the account that runs the service, or \
         choose another folder",
        path.display()
    )]
    FolderNotWritable { path: PathBuf, reason: String },

    #[error(
        "PostgreSQL does not run as root, and the account {user} that it would run as cannot enter \
         {}, a parent of {}: run `chmod o+x {}`, choose another folder, or run as an ordinary user",
        parent.display(), path.display(), parent.display()
    )]
    FolderNotEnterable { path: PathBuf, parent: PathBuf, user: String },

    #[error(
        "PostgreSQL does not run as root, and neither of the accounts postgres and nobody exists: \
         create one, or run as an ordinary user"
    )]
    NoAccount,

    #[error(
        "{} belongs to somebody else or is open to others, so no socket is put there: remove it, \
         or choose a service folder with a shorter path",
        path.display()
    )]
    SocketDirectoryTaken { path: PathBuf },

    #[error(
        "another service{} is using {}: stop it, or choose another folder",
        process(*pid), folder.display()
    )]
    AlreadyRunning { folder: PathBuf, pid: Option<u32> },

    #[error("PostgreSQL's initdb failed: {detail}")]
    InitFailed { detail: String },

    #[error("PostgreSQL did not start: {detail}")]
    StartFailed { detail: String },

    #[error(
        "gave up after {seconds} s waiting for {what} in {}: see postgres.log there",
        folder.display()
    )]
    Timeout { what: &'static str, folder: PathBuf, seconds: u64 },
}

impl EmbeddedError {
    /// For `map_err` on anything done to `path`.
    pub(crate) fn not_writable<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Self {
        move |error| Self::FolderNotWritable { path: path.to_owned(), reason: error.to_string() }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

#[cfg(test)]
mod tests {
    use super::EmbeddedError;

    #[test]
    fn messages_are_one_line_and_name_the_place() {
        let path = std::path::PathBuf::from("/srv/app");
        let all = [
            EmbeddedError::FolderNotEnterable {
                path: path.join("x"),
                parent: path.clone(),
                user: "postgres".into(),
            },
            EmbeddedError::AlreadyRunning { folder: path.clone(), pid: Some(7) },
            EmbeddedError::NoBinariesIn { path },
        ];
        for error in all {
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.contains("  "), "{text}");
            assert!(text.contains("/srv/app"), "{text}");
        }
    }

    #[test]
    fn a_holder_of_unknown_process_is_left_out() {
        let folder = std::path::PathBuf::from("/srv/app");
        let text = EmbeddedError::AlreadyRunning { folder, pid: None }.to_string();
        assert!(text.starts_with("another service is using /srv/app:"), "{text}");
    }
}
