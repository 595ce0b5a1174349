//! Another key takes the place of the one that signs: published first, so that whoever verifies has
//! it before anything is signed with it.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::store::{self, Kept, New};
use super::{HEAD_START, refused, sealed_under_another};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::{System, SystemContext};
use crate::http::app::App;
use crate::kernel::config::TokenAlgorithm;
use crate::kernel::credentials::ring::{Life, Purpose, State};
use crate::kernel::credentials::signing::SigningKey;
use crate::kernel::crypto::{Secrets, random};
use crate::kernel::db::AdvisoryLock;
use crate::kernel::error::{Error, Result};

/// How long others may keep the JWK set: so long a key is in it before it signs.
pub const PUBLISHED_BEFORE: Duration = Duration::hours(1);
/// The most keys of an algorithm that verify: all are in the JWK set.
const MOST: usize = 16;

/// When the new key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// When everybody has it who keeps the JWK set for as long as they may.
    Published,
    /// As soon as every node has it.
    Now,
}

impl When {
    /// From when a key of that algorithm signs that is made now: after the one before it did, by
    /// whichever clock that was.
    fn of(self, kept: &[Kept], (algorithm, now): (TokenAlgorithm, DateTime<Utc>)) -> DateTime<Utc> {
        let wait = match self {
            Self::Published => PUBLISHED_BEFORE,
            Self::Now => HEAD_START,
        };
        let lives = store::lives(kept);
        let signing = lives.iter().filter(|life| {
            life.purpose == Purpose::Tokens(algorithm)
                && life.state(&lives, now).0 == State::Signing
        });
        let before = signing.map(|life| life.begins_at + Duration::seconds(1)).max();
        before.map_or(now + wait, |before| before.max(now + wait))
    }
}

/// Under which secret the keys are sealed that there are: while it is being changed, that is the
/// one that all nodes have. All have to be opened by now.
fn under(kept: &[Kept], secrets: &Secrets) -> Result<String> {
    let living = || kept.iter().filter(|key| key.life.retired_at.is_none());
    for key in living() {
        let under = key.sealed_under.as_deref().unwrap_or_default();
        if secrets.open(key.sealed.as_deref().unwrap_or_default(), &key.id).is_none() {
            return Err(sealed_under_another(under, secrets));
        }
    }
    let last = living().max_by_key(|key| key.life.created_at);
    Ok(last.and_then(|key| key.sealed_under.clone()).unwrap_or_else(|| secrets.name()))
}

/// A new key.
#[derive(Debug, Clone)]
pub struct Rotated {
    pub id: String,
    pub algorithm: TokenAlgorithm,
    pub begins_at: DateTime<Utc>,
}

/// Makes a key of each algorithm. One that waited to begin, and has signed nothing, goes.
pub async fn rotate(
    app: &App,
    system: &SystemContext,
    (algorithms, when): (&[TokenAlgorithm], When),
) -> Result<Vec<Rotated>> {
    let mut writing = system.write().await?;
    AdvisoryLock::ServiceKeys.take(&mut writing).await?;
    let (by, now) = (system.system(), system.now());
    let kept = store::sealed(&mut writing, by).await?;
    let under = under(&kept, app.secrets())?;
    let (mut rotated, mut retired) = (Vec::new(), Vec::new());
    for algorithm in algorithms {
        retired.extend(make_room(&mut writing, by, (&kept, *algorithm), now).await?);
        let begins_at = when.of(&kept, (*algorithm, now));
        let secrets = (app.secrets(), under.as_str());
        rotated.push(add(&mut writing, by, secrets, (*algorithm, now, begins_at)).await?);
    }
    let told: Vec<_> = rotated
        .iter()
        .map(
            |key| json!({ "kid": key.id, "alg": key.algorithm.name(), "signsFrom": key.begins_at }),
        )
        .collect();
    let event = Event::of_nothing(Action::SigningKeysRotated, ResourceType::SigningKey)
        .details(json!({ "keys": told, "retired": retired }));
    let recorded = audit::record_platform(&mut writing, system, event).await?;
    writing.commit(recorded).await?;
    Ok(rotated)
}

async fn make_room(
    connection: &mut PgConnection,
    system: System,
    (kept, algorithm): (&[Kept], TokenAlgorithm),
    now: DateTime<Utc>,
) -> Result<Vec<String>> {
    let lives = store::lives(kept);
    let state = |life: &Life| life.state(&lives, now).0;
    let of_it = kept.iter().filter(|key| key.life.purpose == Purpose::Tokens(algorithm));
    let (waiting, others): (Vec<_>, Vec<_>) = of_it
        .filter(|key| state(&key.life) != State::Retired)
        .partition(|key| state(&key.life) == State::Next);
    if others.len() >= MOST {
        return Err(refused(format!(
            "{MOST} keys of {} verify already: retire those that nothing is signed with any more \
             (bailiwick keys list)",
            algorithm.name()
        )));
    }
    for key in &waiting {
        store::retire(connection, system, (&key.id, false), now).await?;
    }
    Ok(waiting.into_iter().map(|key| key.id.clone()).collect())
}

/// A random one, sealed under the secret of that name.
pub(super) async fn add(
    connection: &mut PgConnection,
    system: System,
    (secrets, under): (&Secrets, &str),
    (algorithm, now, begins_at): (TokenAlgorithm, DateTime<Utc>, DateTime<Utc>),
) -> Result<Rotated> {
    let private = private_key(algorithm)?;
    let purpose = Purpose::Tokens(algorithm);
    let id = purpose.key_id(&private)?;
    let sealed = secrets.seal_under_name(under, &private, &id)?;
    store::insert(connection, system, (New { id: &id, purpose, begins_at }, &sealed), now).await?;
    Ok(Rotated { id, algorithm, begins_at })
}

/// One in four thousand millions is no key of P-256: the next one, then.
fn private_key(algorithm: TokenAlgorithm) -> Result<[u8; 32]> {
    for _ in 0..3 {
        let private = random()?;
        if SigningKey::of(algorithm, &private).is_ok() {
            return Ok(private);
        }
    }
    Err(Error::internal("no key could be made"))
}
