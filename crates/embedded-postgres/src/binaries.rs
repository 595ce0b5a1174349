//! Finds the server programs. Distributions keep `initdb` and `postgres` out of PATH, and several
//! versions side by side: a cluster must be served by the version that made it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{EmbeddedError, folder::Folder};

/// The oldest version whose options are used here.
const OLDEST: u32 = 15;

/// Homebrew's prefixes: Apple silicon, Intel, Linux.
const HOMEBREW: [&str; 3] = ["/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew"];

/// The folder that holds both `initdb` and `postgres`: PATH first, then the usual places, the
/// newest version first.
pub fn find_binaries() -> Option<PathBuf> {
    candidates().find(|bin| version(bin).is_some_and(|version| version >= OLDEST))
}

/// The programs for this folder: of the version that made its data, if there are any.
pub(crate) fn for_cluster(
    chosen: Option<&Path>,
    folder: &Folder,
) -> Result<PathBuf, EmbeddedError> {
    let fits = |found: u32| folder.made_by().map_or(found >= OLDEST, |made| made == found);
    let missing = |without_data| {
        folder.made_by().map_or(without_data, |made_by| EmbeddedError::OtherVersion {
            folder: folder.data.clone(),
            made_by,
        })
    };
    match chosen {
        Some(path) => match version(path) {
            Some(found) if fits(found) => Ok(path.to_owned()),
            Some(found) if found >= OLDEST => {
                Err(missing(EmbeddedError::NoBinariesIn { path: path.to_owned() }))
            }
            _ => Err(EmbeddedError::NoBinariesIn { path: path.to_owned() }),
        },
        None => candidates()
            .find(|bin| version(bin).is_some_and(fits))
            .ok_or_else(|| missing(EmbeddedError::NoBinaries)),
    }
}

fn candidates() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path: Vec<PathBuf> =
        std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    let mut versioned = versioned_in(Path::new("/usr/lib/postgresql"), "");
    versioned.extend(versioned_in(Path::new("/usr"), "pgsql-"));
    for prefix in HOMEBREW {
        let opt = Path::new(prefix).join("opt");
        versioned.extend(versioned_in(&opt, "postgresql@"));
        versioned.push((0, opt.join("postgresql")));
    }
    newest_first(&mut versioned);
    let installed = versioned.into_iter().map(|(_, folder)| folder.join("bin"));
    in_path
        .into_iter()
        .chain(installed)
        .filter(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
}

/// The folders `<parent>/<prefix><number>`.
fn versioned_in(parent: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path()))
        })
        .collect()
}

fn newest_first(folders: &mut [(u32, PathBuf)]) {
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
}

/// Asks the program itself: a folder in PATH does not carry its version in its name.
fn version(bin: &Path) -> Option<u32> {
    if !bin.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    parse_version(std::str::from_utf8(&output.stdout).ok()?)
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0)`, `postgres (PostgreSQL) 19devel`.
fn parse_version(text: &str) -> Option<u32> {
    let (_, number) = text.split_once("(PostgreSQL) ")?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_program_says() {
        let debian = "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n";
        assert_eq!(parse_version(debian), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 19devel\n"), Some(19));
        assert_eq!(parse_version("postgres (PostgreSQL) 18"), Some(18));
        assert_eq!(parse_version("sh: not found"), None);
    }

    #[test]
    fn nine_is_older_than_seventeen() {
        let mut found = vec![(9, "9".into()), (17, "17".into()), (16, "16".into())];
        newest_first(&mut found);
        assert_eq!(found.iter().map(|(v, _)| *v).collect::<Vec<_>>(), [17, 16, 9]);
    }

    #[test]
    fn only_numbered_folders_count() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["pgsql-16", "pgsql-x", "16", "pgsql-"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let found = versioned_in(parent.path(), "pgsql-");
        assert_eq!(found, [(16, parent.path().join("pgsql-16"))]);
    }

    #[test]
    fn a_folder_without_programs_has_no_version() {
        assert_eq!(version(tempfile::tempdir().unwrap().path()), None);
    }
}
