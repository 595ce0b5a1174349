//! The keys that the service signs with, as all nodes share them: read when a node starts and every
//! second after that, changed by commands. [`crate::kernel::credentials::ring`] says what they are.

mod list;
mod retire;
mod rotate;
mod seal;
mod store;

use std::time::Duration;

use crate::context::{Recorded, RequestMeta, SystemContext};
use crate::http::app::App;
use crate::kernel::credentials::ring::{KeyRing, OpenKey};
use crate::kernel::crypto::Secrets;
use crate::kernel::db::AdvisoryLock;
use crate::kernel::error::{Code, Error, Result};

pub use list::{Listed, list};
pub use retire::retire;
pub use rotate::{PUBLISHED_BEFORE, Rotated, When, rotate};
pub use seal::{Resealed, seal_anew};
use store::Kept;

/// How often a node looks whether keys were changed.
pub const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// After how long a key begins that is to begin at once: every node has it by then.
const HEAD_START: chrono::Duration = chrono::Duration::seconds(5);

/// Takes the keys that the database has, when a node starts. The first node of an installation puts
/// there those that follow from its secret.
pub async fn open(app: &App) -> Result<()> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    begin(app, &system).await?;
    let ring = ring(read(&system).await?, app.secrets())?;
    app.take_keys((ring, true), system.now()).map(|_| ())
}

/// Takes the keys that the database has by now. Tells whether they are other keys than before. What
/// was retired is dropped also by a node that cannot open what came in its place.
pub async fn follow(app: &App) -> Result<bool> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let (kept, known) = (read(&system).await?, app.key_ring());
    if kept.is_empty() {
        // Somebody is putting a backup back.
        return Ok(false);
    }
    let (mut keys, mut closed, mut lacks) = (Vec::new(), None, false);
    for key in kept {
        let (life, under) = (key.life.clone(), key.sealed_under.clone().unwrap_or_default());
        let before = known.find(&key.id).map(|key| OpenKey { life: life.clone(), ..key.clone() });
        match before.or_else(|| key.opened(app.secrets())) {
            Some(key) => keys.push(key),
            None if life.retired_at.is_some() => {}
            None => {
                // One that has yet to begin is said to be missing, and nothing hangs on it.
                lacks |= life.begins_at <= system.now();
                closed = Some(under);
            }
        }
    }
    let are_others = app.take_keys((KeyRing::new(keys), !lacks), system.now())?;
    closed.map_or(Ok(are_others), |under| Err(sealed_under_another(&under, app.secrets())))
}

/// How many keys there are, and how many of them are sealed under the secret before, where the
/// secrets open all of them.
pub async fn count(app: &App) -> Result<(usize, usize)> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let (kept, name) = (read(&system).await?, app.secrets().name());
    let before = kept.iter().filter(|key| key.sealed_under.as_ref() != Some(&name)).count();
    Ok((ring(kept, app.secrets())?.into_keys().len(), before))
}

async fn read(system: &SystemContext) -> Result<Vec<Kept>> {
    let mut reading = system.read().await?;
    let kept = store::sealed(&mut reading, system.system()).await?;
    reading.finish().await?;
    Ok(kept)
}

/// The keys that follow from the secret, where there never were any.
async fn begin(app: &App, system: &SystemContext) -> Result<()> {
    let secrets = app.secrets();
    let mut writing = system.write().await?;
    AdvisoryLock::ServiceKeys.take(&mut writing).await?;
    if store::all(&mut writing, system.system()).await?.is_empty() {
        for key in KeyRing::first(secrets.known_to_all())?.into_keys() {
            let sealed = secrets.seal_for_all(&key.private, &key.id)?;
            let (id, purpose, now) = (&key.id, key.life.purpose, system.now());
            let new = store::New { id, purpose, begins_at: now };
            store::insert(&mut writing, system.system(), (new, &sealed), now).await?;
        }
    }
    writing.commit(Recorded::nothing_changed()).await
}

/// All of them, which have to be opened.
fn ring(kept: Vec<Kept>, secrets: &Secrets) -> Result<KeyRing> {
    let opened = kept.into_iter().filter_map(|key| {
        let (is_over, under) = (key.life.retired_at.is_some(), key.sealed_under.clone());
        match key.opened(secrets) {
            Some(key) => Some(Ok(key)),
            // By a first root that was lost nothing is looked up any more.
            None if is_over => None,
            None => Some(Err(sealed_under_another(&under.unwrap_or_default(), secrets))),
        }
    });
    Ok(KeyRing::new(opened.collect::<Result<_>>()?))
}

fn sealed_under_another(under: &str, secrets: &Secrets) -> Error {
    refused(format!(
        "the service's keys are sealed under the secret key named {under}, and this one is named \
         {}: name that one in BAILIWICK_SECRET_KEY_OLD while it is being changed, or put it back \
         (BAILIWICK_SECRET_KEY, or secret.key in the data folder); where it is lost, `bailiwick \
         secret rotate --replace` makes all keys anew, and everybody has to sign in again",
        secrets.name()
    ))
}

fn refused(detail: impl Into<String>) -> Error {
    Error::new(Code::ValidationFailed, detail.into())
}
