//! `bailiwick user rotate-password`: a password that nobody chose, for an account that a program
//! signs in to, or that is opened in an emergency only.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::open::Opened;
use super::ours;
use super::set_password::owner;
use crate::context::{RequestMeta, SystemContext};
use crate::http::app::App;
use crate::identity::passwords;
use crate::kernel::config::Settings;
use crate::kernel::crypto::{base64url, random};

pub(super) const EXAMPLES: &str = "\
The password is printed, or written into a file that its owner alone may read (mode 0600):
  bailiwick user rotate-password --username robot --file /run/secrets/robot
  bailiwick user rotate-password --username ada
It is good as soon as it is told, and not before: while it is not in the database it stands in \
the file's name with `.new` behind it. It ends the account's sessions.";

/// 32 characters, which are 192 bits.
const BYTES: usize = 24;

#[derive(Debug, Args)]
pub(super) struct RotatePassword {
    /// Whose password it is
    #[arg(long)]
    username: String,
    /// The file that it is written into, in place of what is there
    #[arg(long)]
    file: Option<PathBuf>,
}

pub(super) async fn rotate_password(
    settings: &Settings,
    rotate: RotatePassword,
) -> anyhow::Result<()> {
    Opened::work(settings, async |app| {
        let told = rotate_with(app, &rotate).await?;
        // Nobody could tell it again.
        writeln!(std::io::stdout(), "{told}").map_err(|error| {
            anyhow!("the password was set, and could not be told ({error}): do it once more")
        })
    })
    .await
}

/// What is to be said.
async fn rotate_with(app: &App, rotate: &RotatePassword) -> anyhow::Result<String> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let owner = owner(&system, &rotate.username).await?;
    let random: [u8; BYTES] = random().map_err(ours)?;
    // The rules of passwords ask for up to 64 characters.
    let password = base64url(&random).repeat(app.settings().password_min.div_ceil(BYTES / 3 * 4));
    let hash = app.passwords().hash(password.clone()).await.map_err(ours)?;
    let aside = rotate.file.as_deref().map(|file| write_aside(file, &password)).transpose()?;
    let set = passwords::SetPassword { hash: &hash, must_change: false };
    let outcome = passwords::set(app, &system, &owner, set).await;
    let Some((aside, file)) = aside.zip(rotate.file.as_deref()) else {
        return outcome.map(|()| password).map_err(ours);
    };
    match outcome {
        Ok(()) => put_in_place(&aside, file).map_err(|error| {
            anyhow!("the password was set, and is in {}: {error}", aside.display())
        })?,
        // Whether it was set is not known where the database went away: then it is kept.
        Err(error) if error.code().status() >= 500 => {
            return Err(anyhow!("{}; if it was set, it is in {}", ours(error), aside.display()));
        }
        Err(error) => {
            fs::remove_file(&aside)?;
            return Err(ours(error));
        }
    }
    Ok(format!("{} has another password, which is in {}.", rotate.username, file.display()))
}

/// Written out before the database has it: what is good is lost at no moment.
fn write_aside(file: &Path, password: &str) -> anyhow::Result<PathBuf> {
    if file.is_dir() {
        return Err(anyhow!("{} is a folder; nothing was changed", file.display()));
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let aside = PathBuf::from(name);
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside);
    let written = opened.and_then(|mut new| {
        let whole = writeln!(new, "{password}").and_then(|()| new.sync_all());
        // Nothing of it is good, and it would be in the way.
        whole.and_then(|()| sync_folder(file)).inspect_err(|_| drop(fs::remove_file(&aside)))
    });
    match written {
        Ok(()) => Ok(aside),
        Err(error) => Err(anyhow!(
            "cannot write {}: {error}; nothing was changed (a file of that name that is there may \
             hold the present password)",
            aside.display()
        )),
    }
}

fn put_in_place(aside: &Path, file: &Path) -> std::io::Result<()> {
    fs::rename(aside, file)?;
    sync_folder(file)
}

fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
