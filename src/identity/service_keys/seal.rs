//! The secret of the installation is changed for another: whatever is sealed under the one before
//! is sealed under it, and what follows from a root follows from another one from then on.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::store::{self, Kept, New};
use super::{refused, rotate, sealed_under_another};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::{System, SystemContext};
use crate::http::app::App;
use crate::kernel::config::TokenAlgorithm;
use crate::kernel::credentials::ring::Purpose;
use crate::kernel::crypto::{Secrets, random};
use crate::kernel::db::AdvisoryLock;
use crate::kernel::error::Result;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resealed {
    /// All is sealed under that secret.
    Already,
    /// So many keys were; and which follow from the secret before, and are to be retired once they
    /// sign no more.
    Sealed { keys: usize, to_retire: Vec<String> },
    /// No key is what it was.
    Replaced,
}

/// Seals everything under the present secret, and has keys that follow from the one before followed
/// by random ones. With `replace` no earlier key is good for anything any more, also those that no
/// secret opens: everybody signs in anew.
pub async fn seal_anew(app: &App, system: &SystemContext, replace: bool) -> Result<Resealed> {
    let (secrets, by, now) = (app.secrets(), system.system(), system.now());
    let mut writing = system.write().await?;
    AdvisoryLock::ServiceKeys.take(&mut writing).await?;
    let kept = store::sealed(&mut writing, by).await?;
    let present = secrets.name();
    let is_under = |key: &Kept| key.sealed_under.as_ref() == Some(&present);
    if replace && kept.iter().any(is_under) {
        return Err(refused(
            "keys are sealed under this secret key already, so that whoever has it has them: make \
             another one first (openssl rand -base64 32), and name it in BAILIWICK_SECRET_KEY, or \
             put it into secret.key in the data folder",
        ));
    }
    if kept.iter().all(is_under) {
        return Ok(Resealed::Already);
    }
    let kept = opened(kept, secrets, replace)?;
    let sealed = seal_each(&mut writing, by, secrets, &kept).await?;
    for (root, is_first) in over(&kept, app.settings().longest_session(), now) {
        store::retire(&mut writing, by, (&root.id, is_first), now).await?;
    }
    let begins_at = if replace { now } else { now + rotate::PUBLISHED_BEFORE };
    add_root(&mut writing, by, secrets, (now, begins_at)).await?;
    let mut to_retire = Vec::new();
    if replace {
        replace_others(&mut writing, by, secrets, (&kept, now)).await?;
    } else {
        to_retire = follow_derived(&mut writing, by, secrets, (&kept, now)).await?;
    }
    let event = Event::of_nothing(Action::SecretRotated, ResourceType::Platform)
        .details(json!({ "sealed": sealed, "replaced": replace }));
    let recorded = audit::record_platform(&mut writing, system, event).await?;
    writing.commit(recorded).await?;
    Ok(if replace { Resealed::Replaced } else { Resealed::Sealed { keys: sealed, to_retire } })
}

/// Whoever has the secret before has the keys that follow from it: random ones sign in their place,
/// an hour later. Which these are.
async fn follow_derived(
    connection: &mut PgConnection,
    system: System,
    secrets: &Secrets,
    (kept, now): (&Opened, DateTime<Utc>),
) -> Result<Vec<String>> {
    let (present, mut derived) = (secrets.name(), Vec::new());
    for algorithm in TokenAlgorithm::ALL {
        let purpose = Purpose::Tokens(algorithm);
        let first = secrets.known_to_all();
        let (private, of_it) = (purpose.first(first)?, |key: &Kept| key.life.purpose == purpose);
        let is_followed =
            kept.iter().filter(|(key, _)| of_it(key)).any(|(_, other)| *other != Some(private));
        let found = kept.iter().find(|(key, own)| of_it(key) && *own == Some(private));
        let Some((key, _)) = found else { continue };
        derived.push(key.id.clone());
        if !is_followed {
            let begins_at = now + rotate::PUBLISHED_BEFORE;
            rotate::add(connection, system, (secrets, &present), (algorithm, now, begins_at))
                .await?;
        }
    }
    Ok(derived)
}

/// Each with its private half; without, where no secret opens it.
type Opened = Vec<(Kept, Option<[u8; 32]>)>;

fn opened(kept: Vec<Kept>, secrets: &Secrets, replace: bool) -> Result<Opened> {
    let opened = kept.into_iter().map(|key| {
        let private = secrets.open(key.sealed.as_deref().unwrap_or_default(), &key.id);
        match &key.sealed_under {
            Some(under) if private.is_none() && !replace => {
                Err(sealed_under_another(under, secrets))
            }
            _ => Ok((key, private)),
        }
    });
    let mut opened: Opened = opened.collect::<Result<_>>()?;
    opened.sort_by_key(|(key, _)| (key.life.begins_at, key.life.created_at));
    Ok(opened)
}

async fn seal_each(
    connection: &mut PgConnection,
    system: System,
    secrets: &Secrets,
    kept: &Opened,
) -> Result<usize> {
    let mut sealed = 0;
    for (key, private) in kept {
        if let Some(private) = private {
            let anew = secrets.seal(private, &key.id)?;
            store::seal_anew(connection, system, (&key.id, &anew)).await?;
            sealed += 1;
        }
    }
    Ok(sealed)
}

fn is_root(key: &Kept) -> bool {
    key.life.purpose == Purpose::Hashes
}

/// The roots whose last refresh tokens have expired; and whether it is the first one, by which
/// something is looked up for good.
fn over(kept: &Opened, longest_session: Duration, now: DateTime<Utc>) -> Vec<(&Kept, bool)> {
    let roots = || kept.iter().map(|(key, _)| key).filter(|key| is_root(key));
    let followed = roots().zip(roots().skip(1)).enumerate();
    let over = followed.filter(|(_, (_, next))| next.life.begins_at + longest_session <= now);
    over.map(|(place, (root, _))| (root, place == 0)).collect()
}

async fn add_root(
    connection: &mut PgConnection,
    system: System,
    secrets: &Secrets,
    (now, begins_at): (DateTime<Utc>, DateTime<Utc>),
) -> Result<()> {
    let root = random()?;
    let id = Purpose::Hashes.key_id(&root)?;
    let sealed = secrets.seal(&root, &id)?;
    let new = New { id: &id, purpose: Purpose::Hashes, begins_at };
    store::insert(connection, system, (new, &sealed), now).await
}

/// Retires all that were there, and makes new ones that sign. By the first root something is looked
/// up for good, where it can be opened.
async fn replace_others(
    connection: &mut PgConnection,
    system: System,
    secrets: &Secrets,
    (kept, now): (&Opened, DateTime<Utc>),
) -> Result<()> {
    let first = kept.iter().find(|(key, private)| is_root(key) && private.is_some());
    let first = first.map(|(key, _)| key.id.as_str());
    for (key, _) in kept {
        let is_first = first == Some(key.id.as_str());
        store::retire(connection, system, (&key.id, is_first), now).await?;
    }
    let present = secrets.name();
    for algorithm in TokenAlgorithm::ALL {
        rotate::add(connection, system, (secrets, &present), (algorithm, now, now)).await?;
    }
    Ok(())
}
