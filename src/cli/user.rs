//! `bailiwick user`: the way to a platform's first SysAdmin, and to a password for who has none. It
//! is never an argument, since those are seen by everybody on the machine and kept in the shell's
//! history.

use std::io::{BufRead, IsTerminal};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};

use super::open::Opened;
use super::rotate_password::{self, RotatePassword};
use super::set_password::{self, SetPassword};
use super::{ours, say};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::{RequestMeta, Services, SystemContext};
use crate::identity::users;
use crate::kernel::config::Settings;
use crate::kernel::credentials::password::Passwords;
use crate::kernel::error::{Code, Error, FieldError, OnConstraint, Result};
use crate::kernel::ids::UserId;
use crate::kernel::names;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Make an account
    #[command(
        after_help = "The password is asked for, or read as one line from standard input:\n  \
        bailiwick user create --username ada --sys-admin\n  \
        pwgen -s 24 1 | tee password.txt | bailiwick user create \
        --username ada --email ada@example.com"
    )]
    Create(Create),
    /// Choose another password for an account
    #[command(after_help = set_password::EXAMPLES)]
    SetPassword(SetPassword),
    /// Give an account a random password
    #[command(after_help = rotate_password::EXAMPLES)]
    RotatePassword(RotatePassword),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// 2 to 64 characters of a-z, 0-9, `.`, `_` and `-`
    #[arg(long)]
    username: String,
    #[arg(long)]
    email: Option<String>,
    /// The account governs the platform
    #[arg(long)]
    sys_admin: bool,
}

struct NewUser {
    username: String,
    /// With what it is compared by.
    email: Option<(String, String)>,
    password_hash: String,
    is_sys_admin: bool,
}

pub(super) async fn user(settings: &Settings, what: User) -> anyhow::Result<()> {
    match what {
        User::Create(new) => create(settings, new).await,
        User::SetPassword(set) => set_password::set_password(settings, set).await,
        User::RotatePassword(rotate) => rotate_password::rotate_password(settings, rotate).await,
    }
}

async fn create(settings: &Settings, create: Create) -> anyhow::Result<()> {
    let new = checked(settings, create).await?;
    let opened = Opened::open(settings).await?;
    let outcome = match opened.prepare().await {
        Ok(_) => {
            let services = opened.services(settings);
            let made = make(&services, &new).await.map_err(ours);
            services.db.close().await;
            made
        }
        Err(error) => Err(error),
    };
    opened.close().await?;
    let id = outcome?;
    let what = if new.is_sys_admin { "The SysAdmin" } else { "The user" };
    say(&format!("{what} {} was made, with the id {id}.", new.username));
    Ok(())
}

/// Everything that can be refused without the database is refused before it is opened.
async fn checked(settings: &Settings, create: Create) -> anyhow::Result<NewUser> {
    let username =
        names::checked_username("/username", &create.username).map_err(|fault| refused(&fault))?;
    let email = create.email.map(|email| users::checked_email(&email)).transpose();
    let email = email.map_err(|fault| refused(&fault))?;
    let password = read_password(&username)?;
    let address = email.as_ref().map(|(email, _)| email.as_str());
    let own_names: Vec<&str> = std::iter::once(username.as_str()).chain(address).collect();
    let hashed = Passwords::of(settings)
        .map_err(ours)?
        .new_hash("/password", password, &own_names)
        .await
        .map_err(ours)?;
    Ok(NewUser {
        password_hash: hashed.map_err(|fault| refused(&fault))?,
        username,
        email,
        is_sys_admin: create.sys_admin,
    })
}

/// Why something of an account is refused, in a line.
pub(super) fn refused(error: &FieldError) -> anyhow::Error {
    anyhow!("the {} {}", error.pointer.trim_start_matches('/'), error.detail)
}

/// Asked for twice at a terminal, else the first line of standard input.
pub(super) fn read_password(username: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let mut line = String::new();
        stdin
            .lock()
            .read_line(&mut line)
            .map_err(|error| anyhow!("the password cannot be read from standard input: {error}"))?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map_err(|error| anyhow!("the password cannot be read: {error}"))
    };
    let password = ask(format!("Password for {username}: "))?;
    if password != ask("Once more: ".to_owned())? {
        bail!("the passwords differ; nothing was changed");
    }
    Ok(password)
}

async fn make(services: &Services, new: &NewUser) -> Result<UserId> {
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let id = UserId::new();
    let mut writing = system.write().await?;
    // Not a checked query: commands stand outside the set that the service itself runs, and are
    // tested by running them.
    sqlx::query(
        "insert into users (id, username, username_key, email, email_key, password_hash,
             is_sys_admin, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id.uuid())
    .bind(&new.username)
    .bind(names::account_key(&new.username))
    .bind(new.email.as_ref().map(|(email, _)| email))
    .bind(new.email.as_ref().map(|(_, key)| key))
    .bind(&new.password_hash)
    .bind(new.is_sys_admin)
    .bind(system.now())
    .execute(&mut *writing)
    .await
    .on_constraint("users_username_key", || {
        Error::new(
            Code::UsernameTaken,
            format!("the username {} is taken; nothing was made", new.username),
        )
    })
    .on_constraint("users_email_key", || {
        Error::new(Code::EmailTaken, "the e-mail address is taken; nothing was made")
    })?;
    let event = Event::new(Action::UserCreated, ResourceType::User, id)
        .target(id)
        .details(serde_json::json!({ "isSysAdmin": new.is_sys_admin }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await?;
    Ok(id)
}
