//! The audit trail: who did what, written in the transaction that did it. A writing transaction commits only with the
//! [`Recorded`] that these functions return, so a mutation without its event does not compile.
//!
//! Exactly one event for each scope that a mutation touches: each mandate, and the platform. Events hold ids, role labels and
//! levels as they were; names and addresses of people never.

mod routes;
mod store;
mod words;

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tracing::Instrument;

use crate::context::{Actor, MandateContext, Recorded};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{MandateId, UserId};

pub use routes::routes;
pub use store::AuditEvent;
pub use words::{Action, ResourceType};

/// The most bytes that the trail keeps of a text. It tells that something changed and how it begins, and is no second store.
const MAX_TEXT: usize = 1_024;
/// The most bytes that the trail keeps of what something held: some two thousand ids. Beside it stands how many there were.
const MAX_LIST: usize = 80_000;
/// Stands where something was cut off.
const CUT: &str = "…";

/// What happened.
#[derive(Debug, Clone)]
pub struct Event {
    action: Action,
    resource_type: ResourceType,
    resource_id: Option<String>,
    target_user: Option<UserId>,
    details: Value,
    /// Where nobody is signed in yet: who signs in.
    pub(crate) actor: Option<UserId>,
    /// Whose address it notes, where that is not the actor's.
    address_of: Option<UserId>,
}

impl Event {
    pub fn new(action: Action, resource_type: ResourceType, resource_id: impl Display) -> Self {
        Self {
            resource_id: Some(resource_id.to_string()),
            ..Self::of_nothing(action, resource_type)
        }
    }
    /// What was tried on something that is not there.
    pub fn of_nothing(action: Action, resource_type: ResourceType) -> Self {
        Self {
            action,
            resource_type,
            resource_id: None,
            target_user: None,
            details: json!({}),
            actor: None,
            address_of: None,
        }
    }
    pub fn action(&self) -> &'static str {
        self.action.name()
    }
    /// Whom it happened to.
    #[must_use]
    pub fn target(mut self, user: UserId) -> Self {
        self.target_user = Some(user);
        self
    }
    /// Whose address the request's may be, where nobody is signed in: it goes when they are erased.
    #[must_use]
    pub fn address_of(mut self, user: UserId) -> Self {
        self.address_of = Some(user);
        self
    }
    /// What changed, before and after. Of each text the trail keeps the beginning.
    #[must_use]
    pub fn details(mut self, mut details: Value) -> Self {
        shorten(&mut details);
        self.details = details;
        self
    }
    /// Lists what something held that goes, or what came into it, for whoever has to put it back: the first of them, and as `count` how
    /// many there were. After [`Self::details`].
    #[must_use]
    pub fn listing<T: Serialize>(mut self, name: &str, count: &str, items: &[T]) -> Self {
        let mut room = MAX_LIST;
        let kept = items.iter().map(|item| {
            let mut item = json!(item);
            shorten(&mut item);
            item
        });
        let kept: Vec<Value> = kept
            .take_while(|item| {
                let bytes = item.to_string().len() + ",".len();
                let fits = bytes <= room;
                room = room.saturating_sub(bytes);
                fits
            })
            .collect();
        self.details[name] = kept.into();
        self.details[count] = items.len().into();
        self
    }
}

/// Cuts every text and every name in it to what the trail keeps.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => cut(text),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(fields) => {
            fields.values_mut().for_each(shorten);
            if fields.keys().any(|name| name.len() > MAX_TEXT) {
                let cut_name = |(mut name, value)| {
                    cut(&mut name);
                    (name, value)
                };
                *fields = std::mem::take(fields).into_iter().map(cut_name).collect();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT - CUT.len()));
        text.push_str(CUT);
    }
}

/// Writes the event into the trail of the actor's mandate, as the tenant.
pub async fn record(
    connection: &mut PgConnection,
    actor: &impl Actor,
    event: Event,
) -> Result<Recorded> {
    store::insert(connection, actor, actor.scope(), &event).await?;
    Ok(Recorded::new())
}

/// The same as the system, where the transaction had to look beyond the mandate.
pub async fn record_as_system(
    connection: &mut PgConnection,
    actor: &impl Actor,
    event: Event,
) -> Result<Recorded> {
    store::insert_as_system(connection, actor, &[actor.scope()], &event).await?;
    Ok(Recorded::new())
}

/// Writes the event of something that was refused, or only asked about: in a transaction of its own, which lasts.
pub async fn record_in_earnest(context: &MandateContext, event: Event) -> Result<()> {
    let context = context.clone();
    // In a task of its own too: a request with an `Idempotency-Key` undoes whatever its task did where it is refused.
    let work = async move {
        let write = async {
            let mut writing = context.caller().write_in_earnest().await?;
            let recorded = record_as_system(&mut writing, &context, event).await?;
            writing.commit(recorded).await
        };
        context.caller().services().attended(write).await
    };
    tokio::spawn(work.in_current_span()).await.map_err(Error::internal)?
}

/// Writes the event into the platform's trail, as the system.
pub async fn record_platform(
    connection: &mut PgConnection,
    actor: &impl Actor,
    event: Event,
) -> Result<Recorded> {
    store::insert_as_system(connection, actor, &[None], &event).await?;
    Ok(Recorded::new())
}

/// Writes the event into the platform's trail and into those of the mandates that it touches, as the system.
pub async fn record_everywhere(
    connection: &mut PgConnection,
    actor: &impl Actor,
    mandates: &[MandateId],
    event: Event,
) -> Result<Recorded> {
    let scopes: Vec<_> = std::iter::once(None).chain(mandates.iter().copied().map(Some)).collect();
    store::insert_as_system(connection, actor, &scopes, &event).await?;
    Ok(Recorded::new())
}

/// Forgets the addresses that somebody acted from, or tried to sign in from; the events stay. After the last event of whoever is to be forgotten, since
/// that one notes an address too.
pub async fn forget_addresses(connection: &mut PgConnection, actor: UserId) -> Result<()> {
    store::delete_addresses(connection, actor).await
}

/// Writes each event into the trail of its mandate, as the system.
pub async fn record_each(
    connection: &mut PgConnection,
    actor: &impl Actor,
    events: &[(MandateId, Event)],
) -> Result<Recorded> {
    if events.is_empty() {
        return Ok(Recorded::nothing_changed());
    }
    store::insert_each_as_system(connection, actor, events).await?;
    Ok(Recorded::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trail_keeps_the_beginning_of_every_text() {
        let long = "🏴".repeat(300);
        let details = json!({ "after": { "texts": [long, { (long.clone()): long }], "short": "é", "fits": "x".repeat(MAX_TEXT), "n": 1 } });
        let kept =
            Event::new(Action::RoleUpdated, ResourceType::Role, "1").details(details).details;
        let cut = format!("{}…", "🏴".repeat(255));
        assert_eq!(cut.len(), 1_023);
        let expected = json!({ "after": { "texts": [cut, { (cut.clone()): cut }], "short": "é", "fits": "x".repeat(MAX_TEXT), "n": 1 } });
        assert_eq!(kept, expected);
    }

    #[test]
    fn the_trail_keeps_the_beginning_of_every_list_and_how_long_it_was() {
        let ids: Vec<UserId> = std::iter::repeat_with(UserId::new).take(20_000).collect();
        let event = || Event::new(Action::GroupDeleted, ResourceType::Group, "1");
        let kept = |count: usize| {
            event().details(json!({ "n": 1 })).listing("ids", "count", &ids[..count]).details
        };
        assert_eq!(kept(0), json!({ "n": 1, "ids": [], "count": 0 }));
        assert_eq!(kept(2_000), json!({ "n": 1, "ids": ids[..2_000], "count": 2_000 }));
        let cut = kept(ids.len());
        assert_eq!(
            (&cut["count"], cut["ids"].as_array().unwrap().len()),
            (&json!(20_000), MAX_LIST / 39)
        );
        assert!(cut["ids"].to_string().len() <= MAX_LIST + "[]".len());
        let wide = event().listing("labels", "count", &["x".repeat(2_000)]).details;
        assert_eq!(wide["labels"][0].as_str().unwrap().len(), MAX_TEXT);
    }
}
