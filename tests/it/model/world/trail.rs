//! The audit trail: one event for each scope that a mutation touches.

use serde_json::{Value, json};
use uuid::Uuid;

use super::World;

/// An event, in the trail of a mandate or (without one) of the platform.
#[derive(Debug, Clone)]
pub struct Event {
    pub mandate: Option<Uuid>,
    pub actor: Option<Uuid>,
    /// The SysAdmin who acted as the actor.
    pub by: Option<Uuid>,
    pub action: &'static str,
    pub kind: &'static str,
    pub resource: Option<String>,
    pub target: Option<Uuid>,
}

impl Event {
    pub fn of(action: &'static str, kind: &'static str, resource: impl ToString) -> Self {
        Self {
            mandate: None,
            actor: None,
            by: None,
            action,
            kind,
            resource: Some(resource.to_string()),
            target: None,
        }
    }
    pub fn target(self, user: Uuid) -> Self {
        Self { target: Some(user), ..self }
    }
}

impl World {
    pub fn event_answer(&self, event: &Event) -> Value {
        json!({
            "actorId": event.actor,
                "actorName": event.actor.map(|actor| self.user(actor).shown_name()),
                "mandateId": event.mandate,
            "action": event.action, "resourceType": event.kind, "resourceId": event.resource,
                "targetUserId": event.target,
            "impersonatedBy": event.by,
        })
    }
    /// Notes it in the trail of a mandate.
    pub fn note(&mut self, actor: Uuid, mandate: Uuid, event: Event) {
        let by = self.acting;
        self.trail.push(Event { mandate: Some(mandate), actor: Some(actor), by, ..event });
    }
    /// Notes it in the platform's trail and in those of these mandates.
    pub fn note_everywhere(&mut self, actor: Uuid, mandates: &[Uuid], event: &Event) {
        let scopes = std::iter::once(None).chain(mandates.iter().copied().map(Some));
        let by = self.acting;
        self.trail.extend(scopes.map(|mandate| Event {
            mandate,
            actor: Some(actor),
            by,
            ..event.clone()
        }));
    }
}
