//! What the reference model knows of the service: plain lists in the order in which things were
//! made, searched through for every question. What README.md words is here and in [`access`]; what
//! each operation does to it is in the `plays` of its slice.

pub mod access;
mod finding;
pub mod impersonation;
pub mod invitations;
pub mod mail;
mod people;
mod sharing;
mod things;
mod trail;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use uuid::Uuid;

use super::pages::Position;
pub use access::{Catalogue, Permissions, Rule};
use invitations::Invitation;
use mail::{Mail, Purpose, Registration};
pub use people::{Group, Mandate, Member, Session, User};
pub use things::{Admission, Booking, Feature, Instance, Playbook, Revision, Role, Version};
pub use trail::Event;

/// Texts by language.
pub type Texts = BTreeMap<String, String>;

/// The whole platform.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub users: Vec<User>,
    pub sessions: Vec<Session>,
    pub mandates: Vec<Mandate>,
    pub members: Vec<Member>,
    /// Mandate and user of those who were members before.
    pub former: BTreeSet<(Uuid, Uuid)>,
    pub groups: Vec<Group>,
    pub features: Vec<Feature>,
    /// Shared between copies of the world, of which many are made.
    pub roles: Vec<Rc<Role>>,
    pub instances: Vec<Instance>,
    pub admissions: Vec<Admission>,
    pub playbooks: Vec<Playbook>,
    pub bookings: Vec<Booking>,
    pub trail: Vec<Event>,
    /// Where each `nextCursor` that the service gave out goes on.
    pub cursors: HashMap<String, Position>,
    /// Which session each refresh token that the service gave out is of, and the how-manieth.
    pub refresh_tokens: BTreeMap<String, (usize, usize)>,
    pub registrations: Vec<Registration>,
    /// In the order in which they were made.
    pub invitations: Vec<Invitation>,
    /// How often each mandate had each address asked to join it.
    pub asked_to_join: BTreeMap<(Uuid, String), usize>,
    /// What the last call brought.
    pub mails: Vec<Mail>,
    /// How often mail of each kind was asked for, for each address.
    pub asked_for_mail: BTreeMap<(&'static str, String), usize>,
    /// Tokens that were mailed or handed out and are good, in that order; and all that ever were.
    pub mailed_tokens: Vec<(String, Purpose)>,
    pub seen_tokens: Vec<String>,
    /// How often somebody failed in a row: to sign in with a name, and to tell their own password.
    pub failed: BTreeMap<String, usize>,
    /// Counts what is deleted, so that it is known what was deleted last.
    pub deletions: usize,
    /// Counts memberships, which lists can be sorted by, and invitations.
    pub joined: usize,
    pub invited: usize,
    /// The SysAdmin who acts as somebody else in the present call.
    pub acting: Option<Uuid>,
    /// The mandate and the user of a call that came in as a member.
    pub visited: Cell<Option<(Uuid, Uuid)>>,
}

/// Whether two names are one: ignoring case and form, as far as the names that are played need it.
pub fn key(name: &str) -> String {
    name.trim().to_lowercase().replace('ß', "ss")
}

/// A set as JSON lists it: in the order of ids.
pub fn listed(ids: &BTreeSet<Uuid>) -> Vec<Uuid> {
    ids.iter().copied().collect()
}
