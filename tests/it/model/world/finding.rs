//! Looking things up. What calls name may be missing; what the model itself refers to is there.

use std::collections::BTreeSet;
use std::rc::Rc;

use uuid::Uuid;

use super::{Admission, Feature, Group, Instance, Mandate, Member, Role, User, World};

impl World {
    pub fn user(&self, id: Uuid) -> &User {
        self.users.iter().find(|row| row.id == id).unwrap()
    }
    pub fn user_mut(&mut self, id: Uuid) -> &mut User {
        self.users.iter_mut().find(|row| row.id == id).unwrap()
    }
    /// An account that was not erased.
    pub fn living_user(&self, id: Uuid) -> Option<&User> {
        self.users.iter().find(|row| row.id == id && !row.erased)
    }
    pub fn mandate(&self, id: Uuid) -> Option<&Mandate> {
        self.mandates.iter().find(|row| row.id == id)
    }
    pub fn living_mandate(&self, id: Uuid) -> Option<&Mandate> {
        self.mandate(id).filter(|row| !row.deleted)
    }
    pub fn mandate_mut(&mut self, id: Uuid) -> &mut Mandate {
        self.mandates.iter_mut().find(|row| row.id == id).unwrap()
    }
    pub fn member(&self, mandate: Uuid, user: Uuid) -> Option<&Member> {
        self.members.iter().find(|row| (row.mandate, row.user) == (mandate, user))
    }
    pub fn member_mut(&mut self, mandate: Uuid, user: Uuid) -> &mut Member {
        self.members.iter_mut().find(|row| (row.mandate, row.user) == (mandate, user)).unwrap()
    }
    pub fn group(&self, mandate: Uuid, id: Uuid) -> Option<&Group> {
        self.groups.iter().find(|row| (row.mandate, row.id) == (mandate, id))
    }
    pub fn group_mut(&mut self, id: Uuid) -> &mut Group {
        self.groups.iter_mut().find(|row| row.id == id).unwrap()
    }
    pub fn feature(&self, code: &str) -> Option<&Feature> {
        self.features.iter().find(|row| row.code == code)
    }
    pub fn role(&self, id: Uuid) -> Option<&Role> {
        self.roles.iter().find(|row| row.id == id).map(Rc::as_ref)
    }
    pub fn role_mut(&mut self, id: Uuid) -> &mut Role {
        Rc::make_mut(self.roles.iter_mut().find(|row| row.id == id).unwrap())
    }
    pub fn instance(&self, id: Uuid) -> &Instance {
        self.find_instance(id).unwrap()
    }
    pub fn find_instance(&self, id: Uuid) -> Option<&Instance> {
        self.instances.iter().find(|row| row.id == id)
    }
    pub fn instance_mut(&mut self, id: Uuid) -> &mut Instance {
        self.instances.iter_mut().find(|row| row.id == id).unwrap()
    }
    pub fn admission(&self, instance: Uuid, user: Uuid) -> Option<&Admission> {
        self.admissions.iter().find(|row| (row.instance, row.user) == (instance, user))
    }
    pub fn admission_mut(&mut self, instance: Uuid, user: Uuid) -> &mut Admission {
        self.admissions.iter_mut().find(|row| (row.instance, row.user) == (instance, user)).unwrap()
    }
    /// The roles of a mandate, or of one of its instances.
    pub fn roles_of(&self, mandate: Uuid, instance: Option<Uuid>) -> impl Iterator<Item = &Role> {
        self.roles
            .iter()
            .map(Rc::as_ref)
            .filter(move |role| role.mandate == Some(mandate) && role.instance == instance)
    }
    /// The templates of a feature, or of mandates.
    pub fn templates_of(&self, feature: Option<&str>) -> impl Iterator<Item = &Role> {
        self.roles
            .iter()
            .map(Rc::as_ref)
            .filter(move |role| role.is_template() && role.feature.as_deref() == feature)
    }
    /// Who is signed in and may be.
    pub fn present(&self) -> BTreeSet<Uuid> {
        let open = self
            .sessions
            .iter()
            .filter(|session| !session.ended && session.by.is_none())
            .filter(|session| self.user(session.user).active());
        open.map(|session| session.user).collect()
    }
    /// Signs somebody out everywhere.
    pub fn end_sessions(&mut self, user: Uuid) {
        self.end_but(user, None);
    }
    /// Everywhere but in one session.
    pub fn end_but(&mut self, user: Uuid, but: Option<usize>) {
        for (index, session) in self.sessions.iter_mut().enumerate() {
            session.ended |= session.user == user && Some(index) != but;
        }
        let stays = but.map(|index| self.sessions[index].id);
        self.unwant(user, |wanted_in| Some(wanted_in) != stays);
    }
    /// Who holds a role, enabled or not.
    pub fn holders(&self, role: Uuid) -> BTreeSet<Uuid> {
        let members =
            self.members.iter().filter(|row| row.roles.contains(&role)).map(|row| row.user);
        members
            .chain(
                self.admissions.iter().filter(|row| row.roles.contains(&role)).map(|row| row.user),
            )
            .collect()
    }
    /// The living mandates that somebody belongs to, enabled or not.
    pub fn mandates_of(&self, user: Uuid) -> Vec<Uuid> {
        let memberships = self.members.iter().filter(|row| row.user == user);
        memberships.map(|row| row.mandate).filter(|id| self.living_mandate(*id).is_some()).collect()
    }
    /// All that somebody belongs to, deleted ones too: whose trails tell of what becomes of the
    /// account.
    pub fn trails_of(&self, user: Uuid) -> Vec<Uuid> {
        self.members.iter().filter(|row| row.user == user).map(|row| row.mandate).collect()
    }
    /// Enabled members with the role `admin` whose accounts are active.
    pub fn effective_admins(&self, mandate: Uuid) -> BTreeSet<Uuid> {
        let admin = |role: &Uuid| self.role(*role).is_some_and(|role| role.protected);
        let counts = |row: &&Member| {
            row.mandate == mandate
                && row.enabled
                && row.roles.iter().any(admin)
                && self.user(row.user).active()
        };
        self.members.iter().filter(counts).map(|row| row.user).collect()
    }
    pub fn is_last_admin(&self, mandate: Uuid, user: Uuid) -> bool {
        let admins = self.effective_admins(mandate);
        admins.contains(&user) && admins.len() == 1
    }
    /// Whether a living mandate would lose its last admin with this account.
    pub fn is_last_admin_anywhere(&self, user: Uuid) -> bool {
        self.mandates_of(user).into_iter().any(|mandate| self.is_last_admin(mandate, user))
    }
    pub fn is_last_sys_admin(&self, user: Uuid) -> bool {
        let counts = |row: &User| row.sys_admin && row.active();
        counts(self.user(user)) && !self.users.iter().any(|row| row.id != user && counts(row))
    }
}
