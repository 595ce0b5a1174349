//! What happened, as the trail keeps it: of each text the beginning, of each list the first and how
//! many there were.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Value, json};

use super::words::{Action, ResourceType};
use crate::kernel::ids::UserId;

/// The most bytes that the trail keeps of a text. It tells that something changed and how it
/// begins, and is no second store.
const MAX_TEXT: usize = 1_024;
/// The most bytes that the trail keeps of what something held: some two thousand ids. Beside it
/// stands how many there were.
const MAX_LIST: usize = 80_000;
/// Stands where something was cut off.
const CUT: &str = "…";

/// What happened.
#[derive(Debug, Clone)]
pub struct Event {
    pub(super) action: Action,
    pub(super) resource_type: ResourceType,
    pub(super) resource_id: Option<String>,
    pub(super) target_user: Option<UserId>,
    pub(super) details: Value,
    /// Where nobody is signed in yet: who signs in.
    pub(crate) actor: Option<UserId>,
    /// Whose address it notes, where that is not the actor's.
    pub(super) address_of: Option<UserId>,
    /// Why, in somebody's own words.
    pub(super) reason: Option<String>,
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
            reason: None,
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
    /// Who turned out to be acting, where nobody was signed in before.
    #[must_use]
    pub fn by(mut self, user: UserId) -> Self {
        self.actor = Some(user);
        self
    }
    /// Whose address the request's may be, where nobody is signed in: it goes when they are erased.
    #[must_use]
    pub fn address_of(mut self, user: UserId) -> Self {
        self.address_of = Some(user);
        self
    }
    /// Why it was done, in the actor's words. It may speak of people: it is kept beside the event,
    /// and goes when the actor is erased, or whom it happened to.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }
    /// What changed, before and after. Of each text the trail keeps the beginning.
    #[must_use]
    pub fn details(mut self, mut details: Value) -> Self {
        shorten(&mut details);
        self.details = details;
        self
    }
    /// Lists what something held that goes, or what came into it, for whoever has to put it back:
    /// the first of them, and as `count` how many there were. After [`Self::details`].
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trail_keeps_the_beginning_of_every_text() {
        let long = "🏴".repeat(300);
        let details = json!({
            "after": { "texts": [long, { (long.clone()): long }], "short": "é",
            "fits": "x".repeat(MAX_TEXT), "n": 1 },
        });
        let kept =
            Event::new(Action::RoleUpdated, ResourceType::Role, "1").details(details).details;
        let cut = format!("{}…", "🏴".repeat(255));
        assert_eq!(cut.len(), 1_023);
        let expected = json!({
            "after": { "texts": [cut, { (cut.clone()): cut }], "short": "é",
            "fits": "x".repeat(MAX_TEXT), "n": 1 },
        });
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
