//! Acting as somebody else: where it is allowed, when it is over, and what is told of it.

use uuid::Uuid;

use super::{Event, Session, World};
use crate::model::call::Call;
use crate::model::enter::{Entered, Guard};
use crate::model::reply::{Outcome, Refusal};

/// Effects that are open to whoever acts as somebody else, beside work with what features have.
const IN_THEIR_PLACE: [&str; 4] = ["get_me", "end_impersonation", "update_mandate", "put_mandate"];
/// What is only read, and the person's own.
const THEIR_OWN: [&str; 1] = ["list_sessions"];

pub fn is_open_to_impersonation(call: &Call) -> bool {
    let id = call.operation.id;
    let of_theirs = matches!(
        call.operation.guard,
        Guard::Sys | Guard::SysOrOneself | Guard::Oneself | Guard::Guest
    );
    let reads = !call.operation.is_mutation() && !of_theirs && !THEIR_OWN.contains(&id);
    reads || IN_THEIR_PLACE.contains(&id) || matches!(call.operation.guard, Guard::Feature(..))
}

impl World {
    /// The mandates in which SysAdmins may act as this user, by id.
    pub fn open_to_impersonation(&self, user: Uuid) -> Vec<Uuid> {
        let allows = |row: &&super::Mandate| row.allows && self.is_alive(row.id, user);
        let mut open: Vec<Uuid> = self.mandates.iter().filter(allows).map(|row| row.id).collect();
        open.sort();
        open
    }

    /// Ends what somebody does as this user; whether there was anything.
    pub fn end_acting(&mut self, user: Uuid, by: Uuid) -> bool {
        let theirs = |row: &&mut Session| {
            row.user == user && !row.ended && row.by.is_some_and(|(known, _)| known == by)
        };
        self.sessions.iter_mut().filter(theirs).map(|row| row.ended = true).count() > 0
    }

    /// What hung on something that is no more is over for good.
    pub fn settle_impersonations(&mut self) {
        let over: Vec<usize> = (0..self.sessions.len())
            .filter(|index| {
                let session = &self.sessions[*index];
                session.by.is_some_and(|(by, parent)| {
                    let by = self.user(by);
                    self.sessions[parent].ended
                        || !(by.sys_admin && by.active())
                        || self.user(session.user).sys_admin
                })
            })
            .collect();
        for index in over {
            self.sessions[index].ended = true;
        }
    }

    /// Tells of a request of whoever acts as somebody else.
    pub fn tell_of_request(
        &mut self,
        call: &Call,
        (by, user): (Uuid, Uuid),
        (entered, outcome): (&Result<Entered, Refusal>, &Outcome),
    ) {
        let header = call.mandate.as_ref().and_then(|text| text.parse::<Uuid>().ok());
        let in_path = call.names("mandateId").then(|| call.id("mandateId").ok()).flatten();
        let open = self.open_to_impersonation(user);
        let scopes: Vec<Option<Uuid>> = match entered {
            Ok(entered) if entered.works_in_mandate(call) => vec![entered.named_mandate()],
            // Navigation looks at the session by itself.
            Ok(_) if outcome.is_ok() || call.operation.id != "get_my_features" => {
                open.into_iter().map(Some).collect()
            }
            _ => header
                .or(in_path)
                .filter(|mandate| open.contains(mandate))
                .filter(|mandate| in_path.is_none_or(|named| named == *mandate))
                .map(Some)
                .into_iter()
                .collect(),
        };
        let scopes = if scopes.is_empty() { vec![None] } else { scopes };
        let is_kept = |text: &&String| text.parse::<Uuid>().is_ok() || text.parse::<i32>().is_ok();
        let answered = outcome.as_ref().ok().and_then(|reply| reply.body["id"].as_str());
        let resource =
            answered.map(str::to_owned).or_else(|| call.args.last().filter(is_kept).cloned());
        self.trail.extend(scopes.into_iter().map(|mandate| Event {
            mandate,
            actor: Some(user),
            by: Some(by),
            resource: resource.clone(),
            ..Event::of("impersonated_request", "request", "")
        }));
    }
}
