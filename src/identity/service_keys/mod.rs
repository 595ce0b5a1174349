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
use crate::kernel::credentials::ring::KeyRing;
use crate::kernel::crypto::Secrets;
use crate::kernel::error::{Code, Error, Result};

pub use list::{Listed, list};
pub use retire::retire;
pub use rotate::{Rotated, When, rotate};
pub use seal::{Resealed, seal_anew};
use store::Kept;

/// How often a node looks whether keys were changed.
pub const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// After how long a key begins that is to begin at once: every node has it by then.
const HEAD_START: chrono::Duration = chrono::Duration::seconds(3);

/// Takes the keys that the database has. The first node of an installation puts there those that
/// follow from its secret. Tells whether they are other keys than before.
pub async fn follow(app: &App) -> Result<bool> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let mut kept = read(&system).await?;
    if kept.is_empty() {
        begin(app, &system).await?;
        kept = read(&system).await?;
    }
    app.take_keys(&ring(kept, app.secrets())?, system.now())
}

/// How many keys there are, where the secret opens all of them.
pub async fn count(app: &App) -> Result<usize> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    Ok(ring(read(&system).await?, app.secrets())?.into_keys().len())
}

async fn read(system: &SystemContext) -> Result<Vec<Kept>> {
    let mut reading = system.read().await?;
    let kept = store::sealed(&mut reading, system.system()).await?;
    reading.finish().await?;
    Ok(kept)
}

/// The keys that follow from the secret are the same whichever node puts them there.
async fn begin(app: &App, system: &SystemContext) -> Result<()> {
    let secrets = app.secrets();
    let mut writing = system.write().await?;
    for key in KeyRing::first(secrets.known_to_all())?.into_keys() {
        let sealed = secrets.seal_for_all(&key.private, &key.id)?;
        let new = store::New { id: &key.id, purpose: key.life.purpose, begins_at: system.now() };
        store::insert(&mut writing, system.system(), (new, &sealed), system.now()).await?;
    }
    writing.commit(Recorded::nothing_changed()).await
}

fn ring(kept: Vec<Kept>, secrets: &Secrets) -> Result<KeyRing> {
    let opened = kept.into_iter().map(|key| {
        let under = key.sealed_under.clone().unwrap_or_default();
        key.opened(secrets).ok_or_else(|| sealed_under_another(&under, secrets))
    });
    Ok(KeyRing::new(opened.collect::<Result<_>>()?))
}

fn sealed_under_another(under: &str, secrets: &Secrets) -> Error {
    refused(format!(
        "the service's keys are sealed under the secret key named {under}, and this one is named \
         {}: put that one back (BAILIWICK_SECRET_KEY, or secret.key in the data folder), or, while \
         it is being changed, name it in BAILIWICK_SECRET_KEY_OLD; where it is lost, `bailiwick \
         secret rotate --replace` makes all keys anew, and everybody has to sign in again",
        secrets.name()
    ))
}

fn refused(detail: impl Into<String>) -> Error {
    Error::new(Code::ValidationFailed, detail.into())
}
