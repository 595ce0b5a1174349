//! Features, roles, instances, and the data of the two built-in features.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Catalogue, Permissions, Texts, World, listed};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    pub code: String,
    pub label: Texts,
    pub icon: String,
    pub tables: Vec<String>,
    pub views: Vec<String>,
    pub built_in: bool,
    pub version: i64,
}

/// A role in one of four scopes: without a mandate it is a template (of a feature, or of mandates).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub id: Uuid,
    pub mandate: Option<Uuid>,
    pub instance: Option<Uuid>,
    pub feature: Option<String>,
    pub template: Option<Uuid>,
    pub label: String,
    pub description: Texts,
    pub protected: bool,
    pub version: i64,
    pub permissions: Permissions,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: Uuid,
    pub mandate: Uuid,
    pub feature: String,
    pub label: String,
    pub enabled: bool,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    pub mandate: Uuid,
    pub instance: Uuid,
    pub user: Uuid,
    pub roles: BTreeSet<Uuid>,
    pub enabled: bool,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Playbook {
    pub id: Uuid,
    pub instance: Uuid,
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    pub owner: Uuid,
    pub version: i64,
    /// When it was deleted, by the count of deletions.
    pub deleted: Option<usize>,
    pub versions: Vec<Version>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub number: i64,
    pub owner: Uuid,
    pub deleted: bool,
    /// The last one is current.
    pub revisions: Vec<Revision>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub author: Uuid,
    pub content: String,
    pub rolled_back_from: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Booking {
    pub id: Uuid,
    pub instance: Uuid,
    /// As RFC 3339 in UTC.
    pub event_time: String,
    pub minutes: i64,
    pub topic: String,
    pub address: Value,
    pub owner: Uuid,
    pub status: &'static str,
    pub decided_by: Option<Uuid>,
    pub note: Option<String>,
    pub version: i64,
}

impl Feature {
    pub fn answer(&self) -> Value {
        json!({
            "code": self.code, "label": self.label, "icon": self.icon, "tables": self.tables,
                "views": self.views,
            "builtIn": self.built_in, "version": self.version,
        })
    }
    /// What roles of its instances can speak of: its own tables and the two that every instance
    /// has.
    pub fn catalogue(&self) -> Catalogue {
        let tables = self.tables.iter().map(String::as_str).chain(["access", "instance-roles"]);
        Catalogue {
            tables: tables.map(str::to_owned).collect(),
            views: self.views.iter().cloned().collect(),
        }
    }
}

impl Role {
    pub fn is_template(&self) -> bool {
        self.mandate.is_none()
    }
    fn scope(&self) -> &'static str {
        match (self.mandate, self.instance, &self.feature) {
            (None, _, None) => "mandate-template",
            (None, _, Some(_)) => "feature-template",
            (Some(_), None, _) => "mandate",
            (Some(_), Some(_), _) => "instance",
        }
    }
    pub fn answer(&self) -> Value {
        json!({
            "id": self.id, "label": self.label, "description": self.description,
                "scope": self.scope(), "mandateId": self.mandate,
            "featureCode": self.feature, "instanceId": self.instance,
                "templateRoleId": self.template, "protected": self.protected,
            "version": self.version,
        })
    }
}

impl Instance {
    pub fn answer(&self) -> Value {
        json!({
            "id": self.id, "featureCode": self.feature, "mandateId": self.mandate,
                "label": self.label, "enabled": self.enabled,
            "version": self.version,
        })
    }
}

impl Playbook {
    /// The highest number of those that were not deleted.
    pub fn latest(&self) -> Option<i64> {
        self.versions.iter().filter(|version| !version.deleted).map(|version| version.number).max()
    }
    /// Changes something about the versions; the playbook's own version rises where its latest one
    /// becomes another.
    pub fn with_versions<T>(&mut self, change: impl FnOnce(&mut Vec<Version>) -> T) -> T {
        let before = self.latest();
        let done = change(&mut self.versions);
        self.version += i64::from(self.latest() != before);
        done
    }
}

impl Version {
    pub fn revision(&self) -> i64 {
        i64::try_from(self.revisions.len()).unwrap()
    }
    pub fn content(&self) -> &str {
        &self.revisions[self.revisions.len() - 1].content
    }
    pub fn row(&self) -> Value {
        json!({
            "number": self.number, "ownerId": self.owner, "revision": self.revision(),
            "size": self.content().len(),
        })
    }
    pub fn answer(&self) -> Value {
        let mut answer = self.row();
        answer["content"] = json!(self.content());
        answer
    }
}

impl World {
    pub fn admission_answer(&self, admission: &Admission) -> Value {
        json!({
            "userId": admission.user, "username": self.user(admission.user).username,
                "instanceId": admission.instance,
            "roleIds": listed(&admission.roles), "enabled": admission.enabled,
                "version": admission.version,
        })
    }
    pub fn playbook_answer(&self, playbook: &Playbook) -> Value {
        json!({
            "id": playbook.id, "instanceId": playbook.instance, "name": playbook.name,
                "title": playbook.title,
            "description": playbook.description, "ownerId": playbook.owner,
                "ownerName": self.user(playbook.owner).shown_name(),
            "latestVersion": playbook.latest(), "version": playbook.version,
        })
    }
    /// The requester's address is told as a member's is.
    pub fn booking_answer(&self, booking: &Booking) -> Value {
        let mandate = self.instance(booking.instance).mandate;
        let used = self.member(mandate, booking.owner).is_some_and(|member| member.used);
        let email = self.user(booking.owner).email.clone().filter(|_| used);
        json!({
            "id": booking.id, "instanceId": booking.instance, "eventTime": booking.event_time,
                "durationMinutes": booking.minutes,
            "topic": booking.topic, "address": booking.address,
                "requestedBy": { "id": booking.owner, "email": email },
            "status": booking.status, "decidedBy": booking.decided_by,
                "decisionNote": booking.note, "version": booking.version,
        })
    }
    /// An instance's roles, admissions and data go with it.
    pub fn remove_instance(&mut self, instance: Uuid) {
        self.instances.retain(|row| row.id != instance);
        self.roles.retain(|row| row.instance != Some(instance));
        self.admissions.retain(|row| row.instance != instance);
        self.playbooks.retain(|row| row.instance != instance);
        self.bookings.retain(|row| row.instance != instance);
    }
}
