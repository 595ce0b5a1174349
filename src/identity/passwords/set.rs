//! A password that whoever runs the service chooses for somebody, on its command line.

use serde_json::json;

use super::store;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::{Account, SystemContext};
use crate::http::app::App;
use crate::identity::mails::{self, Kind};
use crate::identity::{lockout, sessions, users};
use crate::kernel::error::{Code, Error, Result};

/// Whose password is set.
#[derive(Debug)]
pub struct Owner {
    account: Account,
    /// Whatever they are called: what it must not be like.
    pub names: Vec<String>,
}

/// What somebody else chose.
#[derive(Debug, Clone, Copy)]
pub struct SetPassword<'a> {
    pub hash: &'a str,
    /// Their sessions are good for choosing another one, and for nothing else.
    pub must_change: bool,
}

/// Whose username it is.
pub async fn owner(system: &SystemContext, username_key: &str) -> Result<Option<Owner>> {
    let mut reading = system.read().await?;
    let found = store::owner(&mut reading, system.system(), username_key).await?;
    reading.finish().await?;
    Ok(found.map(|(user, names)| Owner { account: system.system().account(user), names }))
}

/// Sets somebody's password. It ends all that they had open, forgets what failed, and is told to
/// them wherever they can be reached, and to the mandates that they belong to.
pub async fn set(
    app: &App,
    system: &SystemContext,
    owner: &Owner,
    password: SetPassword<'_>,
) -> Result<()> {
    retrying(|| set_once(app, system, owner.account, password)).await
}

async fn set_once(
    app: &App,
    system: &SystemContext,
    account: Account,
    password: SetPassword<'_>,
) -> Result<()> {
    let mut writing = system.write().await?;
    // The names' counters first, as whoever signs in does: then nobody waits for the other.
    lockout::unlock(&mut writing, app, system, account).await?;
    // Whoever signs in at the same time has opened their session before, or is refused.
    if users::find_for_change(&mut writing, account).await?.is_none() {
        return Err(Error::new(Code::Gone, "The account was erased."));
    }
    sessions::end_all(&mut writing, account, None, system.now()).await?;
    store::set_password(&mut writing, account, password).await?;
    mails::tell_everywhere(&mut writing, app, system, account, Kind::PasswordSet).await?;
    let told = users::mandates_of(&mut writing, account).await?;
    let event = Event::new(Action::PasswordSet, ResourceType::User, account.user())
        .target(account.user())
        .details(json!({ "mustChangePassword": password.must_change }));
    let recorded = audit::record_everywhere(&mut writing, system, &told, event).await?;
    writing.commit(recorded).await
}
