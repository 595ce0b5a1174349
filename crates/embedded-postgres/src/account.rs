//! PostgreSQL refuses to run as root. Containers and many servers run as root all the same, so
//! its programs then run as an unprivileged account, and refusals by the file system are explained.

use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use nix::unistd::{Gid, Uid, User};

use crate::EmbeddedError;

/// Who the server runs as when the service is root.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub uid: Uid,
    pub gid: Gid,
    pub name: String,
}

impl Account {
    /// `None` for an ordinary user, who runs the server himself. Data that is there already keeps
    /// its owner: the account `postgres` may have appeared since, with its package.
    pub fn choose(data: &Path) -> Result<Option<Self>, EmbeddedError> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        if let Ok(found) = fs::symlink_metadata(data)
            && found.uid() != 0
        {
            let uid = Uid::from_raw(found.uid());
            let name = User::from_uid(uid)
                .ok()
                .flatten()
                .map_or_else(|| uid.to_string(), |user| user.name);
            return Ok(Some(Self { uid, gid: Gid::from_raw(found.gid()), name }));
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Some(Self { uid: user.uid, gid: user.gid, name: user.name }))
            .ok_or(EmbeddedError::NoAccount)
    }

    /// The program takes the account's user and group and no other group of root's.
    pub fn apply_to(&self, command: &mut Command) {
        command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
    }

    /// Gives a folder and what is in it to the account; links are not followed. The folder itself
    /// comes last, so that the account cannot change what is still being walked.
    pub fn own(&self, path: &Path) -> io::Result<()> {
        let found = fs::symlink_metadata(path)?;
        if found.uid() == self.uid.as_raw() {
            return Ok(());
        }
        if found.is_dir() {
            for entry in fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        lchown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
    }

    /// The topmost folder on the way to `path` that the account cannot enter. Used to explain a
    /// refusal that happened, not to predict one: mode bits do not tell everything.
    pub fn closed_parent(&self, path: &Path) -> Option<PathBuf> {
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        way.into_iter()
            .find(|step| fs::metadata(step).is_ok_and(|found| !self.may_enter(&found)))
            .map(Path::to_owned)
    }

    fn may_enter(&self, found: &fs::Metadata) -> bool {
        let search = if found.uid() == self.uid.as_raw() {
            0o100
        } else if found.gid() == self.gid.as_raw() {
            0o010
        } else {
            0o001
        };
        found.mode() & search != 0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn stranger() -> Account {
        Account { uid: Uid::from_raw(65533), gid: Gid::from_raw(65533), name: "stranger".into() }
    }

    #[test]
    fn the_topmost_closed_folder_is_named() {
        let root = tempfile::tempdir().unwrap();
        let outer = root.path().canonicalize().unwrap().join("outer");
        let inner = outer.join("inner/service");
        fs::create_dir_all(&inner).unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(root.path(), 0o755);
        mode(&outer, 0o755);
        assert_eq!(stranger().closed_parent(&inner), None);
        mode(&outer.join("inner"), 0o750);
        assert_eq!(stranger().closed_parent(&inner), Some(outer.join("inner")));
        mode(&outer, 0o700);
        assert_eq!(stranger().closed_parent(&inner), Some(outer));
    }
}
