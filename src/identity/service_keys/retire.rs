//! A key that signs nothing any more is taken out of the JWK set, and verifies nothing.

use chrono::Duration;
use serde_json::json;

use super::refused;
use super::store;
use crate::context::SystemContext;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::kernel::credentials::ring::{Life, Purpose, State};
use crate::kernel::db::AdvisoryLock;
use crate::kernel::error::Result;

/// No access token lasts longer.
const LONGEST_TOKEN: Duration = Duration::minutes(15);

/// Retires the key with that `kid`. By force also one whose tokens may not have expired yet; their
/// holders refresh, as after any 401.
pub async fn retire(system: &SystemContext, id: &str, by_force: bool) -> Result<()> {
    let mut writing = system.write().await?;
    AdvisoryLock::ServiceKeys.take(&mut writing).await?;
    let kept = store::all(&mut writing, system.system()).await?;
    let lives: Vec<Life> = kept.iter().map(|key| key.life.clone()).collect();
    let found = kept.iter().find(|key| key.id == id);
    let Some((key, Purpose::Tokens(algorithm))) = found.map(|key| (key, key.life.purpose)) else {
        return Err(refused(format!("no key has the kid {id} (bailiwick keys list)")));
    };
    let (state, since) = key.life.state(&lives, system.now());
    match state {
        State::Retired => return Err(refused(format!("{id} is retired already"))),
        State::Signing => {
            return Err(refused(format!(
                "{id} is the key that signs by {}: rotate it first (bailiwick keys rotate)",
                algorithm.name()
            )));
        }
        State::Verifying if system.now() < since + LONGEST_TOKEN && !by_force => {
            return Err(refused(format!(
                "tokens that {id} signed may be good until {}: wait for that, or end them \
                 (--force)",
                (since + LONGEST_TOKEN).format("%FT%TZ")
            )));
        }
        // The key that signs is another one, since that is none of these.
        State::Next | State::Verifying => {}
    }
    store::retire(&mut writing, system.system(), (id, false), system.now()).await?;
    let event = Event::new(Action::SigningKeyRetired, ResourceType::SigningKey, id)
        .details(json!({ "alg": algorithm.name(), "force": by_force }));
    let recorded = audit::record_platform(&mut writing, system, event).await?;
    writing.commit(recorded).await
}
