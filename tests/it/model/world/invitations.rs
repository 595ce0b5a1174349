//! Invitations, and what whoever gives one may give.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::admit::{admit, levels_by_row};
use super::super::enter::Entered;
use super::super::reply::Refusal;
use super::access::{ALL, CREATE, Catalogue, NEAR, READ, UPDATE, least};
use super::mail::{Mail, Purpose};
use super::{World, key, listed};

/// So many times may a mandate have one address asked in an hour; no history takes one.
const MOST: usize = 10;

/// Roles of the mandate, and of instances.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promise {
    /// As they are named.
    pub roles: Vec<Uuid>,
    pub instances: Vec<(Uuid, Vec<Uuid>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: Uuid,
    pub mandate: Uuid,
    pub email: String,
    pub promise: Promise,
    pub by: Uuid,
    /// Sent again.
    pub again: usize,
    pub status: &'static str,
    pub accepted_by: Option<Uuid>,
    /// Why it could not be accepted.
    pub refusal: Option<&'static str>,
    pub version: i64,
    /// The how-manieth of all.
    pub number: usize,
}

impl Promise {
    fn answer(&self) -> Value {
        let instance = |(instance, roles): &(Uuid, Vec<Uuid>)| {
            let roles = once(roles);
            json!({ "instanceId": instance, "roleIds": roles })
        };
        self.instances.iter().map(instance).collect()
    }
}

/// Each once, in order.
fn once(roles: &[Uuid]) -> Vec<Uuid> {
    listed(&roles.iter().copied().collect::<BTreeSet<_>>())
}

impl Invitation {
    pub fn is_pending(&self) -> bool {
        self.status == "pending"
    }
    pub fn answer(&self) -> Value {
        json!({
            "id": self.id, "mandateId": self.mandate, "email": self.email,
            "roleIds": once(&self.promise.roles), "instances": self.promise.answer(),
            "status": self.status, "invitedBy": self.by, "acceptedBy": self.accepted_by,
            "refusal": self.refusal.map(|code| json!({ "code": code })), "version": self.version,
        })
    }
}

impl World {
    pub fn invitation(&self, id: Uuid) -> Option<&Invitation> {
        self.invitations.iter().find(|row| row.id == id)
    }
    pub fn invitation_mut(&mut self, id: Uuid) -> &mut Invitation {
        self.invitations.iter_mut().find(|row| row.id == id).unwrap()
    }

    /// Nobody has a token of it any more.
    pub fn end_invitation_token(&mut self, id: Uuid) {
        self.mailed_tokens.retain(|(_, purpose)| *purpose != Purpose::Invitation(id));
    }

    /// Who leaves does not come back by what they were sent before.
    pub fn end_invitations_of(&mut self, mandate: Uuid, user: Uuid) {
        let account = self.user(user).clone();
        let theirs = |row: &&mut Invitation| {
            row.mandate == mandate && row.is_pending() && account.is_known_by(&row.email)
        };
        let mut ended = Vec::new();
        for row in self.invitations.iter_mut().filter(theirs) {
            (row.status, row.version) = ("revoked", row.version + 1);
            ended.push(row.id);
        }
        for id in ended {
            self.end_invitation_token(id);
        }
    }

    /// Asks the address; whoever is a member is told so.
    pub fn ask_invited(&mut self, id: Uuid) -> Result<(), Refusal> {
        let Invitation { mandate, email, .. } = self.invitation(id).unwrap().clone();
        let asked = self.asked_to_join.entry((mandate, key(&email))).or_default();
        if *asked >= MOST {
            return Err(Refusal::of(429, "too_many_requests"));
        }
        *asked += 1;
        let place = self.mandate(mandate).unwrap();
        if place.deleted {
            return Ok(());
        }
        let (name, is_german) = (place.name.clone(), place.language == "de");
        let mut members = self.members.iter().filter(|row| row.mandate == mandate);
        let is_member = members.any(|row| self.user(row.user).has_address(&email));
        let (subject, hands) = if is_member {
            (format!("You are a member of {name} already"), None)
        } else {
            (format!("You are invited to {name}"), Some(Purpose::Invitation(id)))
        };
        let username = "(nobody knows)".to_owned();
        self.mails.push(Mail { to: key(&email), username, is_german, subject, hands });
        Ok(())
    }

    /// Whether somebody may give all of it to somebody who is no member; to themselves where that
    /// is who they are. 404 points to what is not there.
    pub fn require_may_promise(
        &self,
        giver: &Entered,
        target: Uuid,
        promise: &Promise,
    ) -> Result<(), Refusal> {
        if giver.as_sys && target == giver.user {
            return Err(Refusal::of(403, "self_escalation"));
        }
        let mandate = giver.mandate();
        let unknown = self.unknown_of("", mandate, None, &promise.roles);
        if !unknown.is_empty() {
            return Err(Refusal::unknown("unknown_role", &unknown));
        }
        let (own, catalogue) = (self.in_mandate(mandate, giver.user), Catalogue::of_mandates());
        let within = |role: &Uuid| {
            let role = self.role(*role).unwrap();
            !role.protected && role.permissions.within(&own, &catalogue)
        };
        if self.is_delegate(giver) && !promise.roles.iter().all(within) {
            let is_own = target == giver.user;
            let code = if is_own { "self_escalation" } else { "grant_exceeds_own_access" };
            return Err(Refusal::of(403, code));
        }
        let mut each = promise.instances.iter().enumerate();
        each.try_for_each(|(index, (instance, roles))| {
            self.require_may_promise_in(giver, index, *instance, roles)
        })
    }

    /// Whether somebody could give as much of it as is still there.
    pub fn is_within_own(&self, giver: &Entered, promise: &Promise) -> bool {
        if !self.is_delegate(giver) {
            return true;
        }
        let mandate = giver.mandate();
        let there = |roles: &[Uuid], instance: Option<Uuid>| -> Vec<Uuid> {
            let known = self.roles_of(mandate, instance).filter(|role| roles.contains(&role.id));
            known.map(|role| role.id).collect()
        };
        let of_mandate = Promise { roles: there(&promise.roles, None), instances: Vec::new() };
        let is_here = |id: &Uuid| self.find_instance(*id).is_some_and(|row| row.mandate == mandate);
        self.require_may_promise(giver, Uuid::nil(), &of_mandate).is_ok()
            && promise.instances.iter().filter(|(id, _)| is_here(id)).all(|(id, roles)| {
                let roles = there(roles, Some(*id));
                self.require_may_promise_in(giver, 0, *id, &roles).is_ok()
            })
    }

    fn require_may_promise_in(
        &self,
        giver: &Entered,
        index: usize,
        instance: Uuid,
        roles: &[Uuid],
    ) -> Result<(), Refusal> {
        let mandate = giver.mandate();
        let place = format!("/instances/{index}");
        let unknown = || Refusal::unknown_at("unknown_instance", &format!("{place}/instanceId"));
        self.find_instance(instance).filter(|row| row.mandate == mandate).ok_or_else(unknown)?;
        if giver.as_sys {
            return Err(Refusal::denied("access", CREATE, least("access", CREATE)));
        }
        let giver = &giver.at(instance);
        let is_seen = !giver.as_sys && self.is_admitted(instance, giver.user)
            || self.level(giver, "instances", READ) >= self.instance_nearness(giver, instance);
        let levels = levels_by_row(self, giver, ("instances", UPDATE), ("access", CREATE));
        let levels = levels.map_err(|refusal| match refusal.status {
            403 if is_seen => refusal,
            _ => unknown(),
        })?;
        let missing = self.unknown_of(&place, mandate, Some(instance), roles);
        if !missing.is_empty() {
            return Err(Refusal::unknown("unknown_role", &missing));
        }
        let mut near = self.groups.iter().filter(|row| row.mandate == mandate && row.auto_join);
        let nearness = if near.any(|row| row.members.contains(&giver.user)) { NEAR } else { ALL };
        admit("access", CREATE, levels, nearness)?;
        let (own, catalogue) = (self.own_access(giver), self.catalogue_of(instance));
        let within = |role: &Uuid| self.role(*role).unwrap().permissions.within(&own, &catalogue);
        if self.is_delegate(giver) && !roles.iter().all(within) {
            return Err(Refusal::of(403, "grant_exceeds_own_access"));
        }
        let before = self.instance_nearness(giver, instance);
        if self.gains_by_nearness(giver, "instances", before, nearness) {
            return Err(Refusal::of(403, "self_escalation"));
        }
        Ok(())
    }

    /// Where roles are named first that are none of the mandate's, or the instance's.
    fn unknown_of(
        &self,
        place: &str,
        mandate: Uuid,
        instance: Option<Uuid>,
        roles: &[Uuid],
    ) -> Vec<String> {
        let is_known = |id: &Uuid| self.roles_of(mandate, instance).any(|role| role.id == *id);
        let named = roles.iter().enumerate();
        let missing = named.filter(|(index, id)| !roles[..*index].contains(id) && !is_known(id));
        missing.map(|(index, _)| format!("{place}/roleIds/{index}")).collect()
    }
}
