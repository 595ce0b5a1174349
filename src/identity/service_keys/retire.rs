//! A key that signs nothing any more is taken out of the JWK set, and verifies nothing.

use chrono::{DateTime, Duration, Utc};
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
    let lives = store::lives(&kept);
    let found = kept.iter().find(|key| key.id == id);
    let Some((key, Purpose::Tokens(algorithm))) = found.map(|key| (key, key.life.purpose)) else {
        return Err(refused(format!("no key has the kid {id} (bailiwick keys list)")));
    };
    let now = system.now();
    let (state, since) = key.life.state(&lives, now);
    match state {
        State::Retired => return Err(refused(format!("{id} is retired already"))),
        State::Signing => {
            let is_next = |life: &&Life| {
                life.purpose == key.life.purpose && life.state(&lives, now).0 == State::Next
            };
            let first = match lives.iter().find(is_next) {
                Some(next) => {
                    format!("another one signs from {}: wait for that", shown(next.begins_at))
                }
                None => "rotate it first (bailiwick keys rotate)".to_owned(),
            };
            return Err(refused(format!(
                "{id} is the key that signs by {}: {first}",
                algorithm.name()
            )));
        }
        State::Verifying if now < since + LONGEST_TOKEN && !by_force => {
            return Err(refused(format!(
                "tokens that {id} signed may be good until {}: wait for that, or end them \
                 (--force)",
                shown(since + LONGEST_TOKEN)
            )));
        }
        // The key that signs is another one, since that is none of these.
        State::Next | State::Verifying => {}
    }
    store::retire(&mut writing, system.system(), (id, false), now).await?;
    let event = Event::new(Action::SigningKeyRetired, ResourceType::SigningKey, id)
        .details(json!({ "alg": algorithm.name(), "force": by_force }));
    let recorded = audit::record_platform(&mut writing, system, event).await?;
    writing.commit(recorded).await
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%FT%TZ").to_string()
}
