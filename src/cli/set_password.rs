//! `bailiwick user set-password`: for who lost theirs and cannot be mailed a token, or whose
//! account somebody else is in.

use anyhow::anyhow;
use clap::Args;

use super::open::Opened;
use super::user::{read_password, refused};
use super::{ours, say};
use crate::context::{RequestMeta, SystemContext};
use crate::http::app::App;
use crate::identity::passwords::{self, Owner};
use crate::kernel::config::Settings;
use crate::kernel::names;

pub(super) const EXAMPLES: &str = "\
The password is asked for, or read as one line from standard input:
  bailiwick user set-password --username ada
  pwgen -s 24 1 | tee password.txt | bailiwick user set-password --username ada
It ends the account's sessions and forgets what was tried in vain. Unless it is to be kept, \
whoever signs in with it has to choose another one before anything else.";

#[derive(Debug, Args)]
pub(super) struct SetPassword {
    /// Whose password it is
    #[arg(long)]
    username: String,
    /// Its owner may go on with it: for one's own account, or one that a program signs in to
    #[arg(long)]
    keep: bool,
}

pub(super) async fn set_password(settings: &Settings, set: SetPassword) -> anyhow::Result<()> {
    // Before anything is opened: nothing waits for who types.
    let password = read_password(&set.username)?;
    Opened::work(settings, async |app| set_with(app, (&set, password)).await).await?;
    let and = if set.keep { "" } else { " Whoever signs in has to choose another one." };
    say(&format!("{} has another password, and was signed out everywhere.{and}", set.username));
    Ok(())
}

async fn set_with(app: &App, (set, password): (&SetPassword, String)) -> anyhow::Result<()> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let owner = owner(&system, &set.username).await?;
    let names: Vec<&str> = owner.names.iter().map(String::as_str).collect();
    let judged = app.passwords().new_hash("/password", password, &names).await.map_err(ours)?;
    let hash = judged.map_err(|fault| refused(&fault))?;
    let password = passwords::SetPassword { hash: &hash, must_change: !set.keep };
    passwords::set(app, &system, &owner, password).await.map_err(ours)
}

/// Whose username it is.
pub(super) async fn owner(system: &SystemContext, username: &str) -> anyhow::Result<Owner> {
    let key = names::account_key(username).unwrap_or_default();
    let owner = passwords::owner(system, &key).await.map_err(ours)?;
    owner.ok_or_else(|| anyhow!("nobody has the username {username}"))
}
