//! Accounts, mandates, memberships and groups.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{World, listed};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: Uuid,
    pub username: String,
    pub password: String,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub language: String,
    pub enabled: bool,
    pub sys_admin: bool,
    pub verified: bool,
    /// Somebody else chose the password.
    pub must_change: bool,
    /// Ever; and whether the password is another one than the first.
    pub signed_in: bool,
    pub chose_password: bool,
    /// The address that they want, and have not confirmed.
    pub wanted: Option<String>,
    /// In which session they asked for it.
    pub wanted_in: Uuid,
    /// The addresses that they confirmed and have no more, as they are compared.
    pub earlier: BTreeSet<String>,
    pub erased: bool,
    pub version: i64,
}

/// A sign-in. Its place in the list is how calls name it.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: Uuid,
    pub user: Uuid,
    pub ended: bool,
    /// Of the refresh token that is good now.
    pub number: usize,
    /// The SysAdmin who acts in it as its user, and their session that it hangs on.
    pub by: Option<(Uuid, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mandate {
    pub id: Uuid,
    pub name: String,
    pub code: String,
    pub language: String,
    pub enabled: bool,
    pub deleted: bool,
    /// Requests a minute, by class.
    pub limits: Map<String, Value>,
    /// Whether SysAdmins may act as its members.
    pub allows: bool,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub mandate: Uuid,
    pub user: Uuid,
    pub enabled: bool,
    pub roles: BTreeSet<Uuid>,
    /// Whether they have used the mandate once: from then on colleagues see more than the username.
    pub used: bool,
    pub version: i64,
    pub joined: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: Uuid,
    pub mandate: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub auto_join: bool,
    pub members: BTreeSet<Uuid>,
    pub version: i64,
}

impl User {
    /// An account with nothing but a name and a password.
    pub fn new(id: Uuid, username: String, password: String) -> Self {
        Self {
            id,
            username,
            password,
            email: None,
            first_name: None,
            last_name: None,
            language: "en".to_owned(),
            enabled: true,
            sys_admin: false,
            verified: false,
            must_change: false,
            signed_in: false,
            chose_password: false,
            wanted: None,
            wanted_in: Uuid::nil(),
            earlier: BTreeSet::new(),
            erased: false,
            version: 1,
        }
    }
    /// Whether nobody has used the account yet.
    pub fn never_used(&self) -> bool {
        !self.signed_in && !self.chose_password && self.earlier.is_empty()
    }
    pub fn active(&self) -> bool {
        self.enabled && !self.erased
    }
    /// The name that others are shown: a pseudonym of chance once the account is erased.
    pub fn shown_name(&self) -> String {
        if self.erased { "~erased-".to_owned() } else { self.username.clone() }
    }
    pub fn answer(&self) -> Value {
        json!({
            "id": self.id, "username": self.username, "email": self.email,
                "firstName": self.first_name, "lastName": self.last_name,
            "language": self.language, "enabled": self.enabled, "isSysAdmin": self.sys_admin,
                "emailVerified": self.verified,
            "mustChangePassword": self.must_change, "mfaEnabled": false, "version": self.version,
        })
    }
    /// Whether a search finds it by name or address.
    pub fn is_found(&self, text: &str) -> bool {
        let names = format!(
            "{} {}",
            self.first_name.as_deref().unwrap_or_default(),
            self.last_name.as_deref().unwrap_or_default()
        );
        let email = self.email.as_deref().unwrap_or_default();
        self.username.contains(text)
            || email.to_lowercase().contains(text)
            || names.to_lowercase().contains(text)
    }
}

impl Group {
    pub fn answer(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "description": self.description,
                "autoJoin": self.auto_join,
            "memberCount": self.members.len(), "version": self.version,
        })
    }
}

impl World {
    pub fn mandate_answer(&self, mandate: &Mandate) -> Value {
        json!({
            "id": mandate.id, "name": mandate.name, "code": mandate.code,
                "language": mandate.language, "enabled": mandate.enabled,
            "hasAdmin": !self.effective_admins(mandate.id).is_empty(), "version": mandate.version,
            "allowImpersonation": mandate.allows,
        })
    }

    /// Until a member has used the mandate once, colleagues see only the username.
    pub fn member_answer(&self, member: &Member) -> Value {
        let user = self.user(member.user);
        let told = |text: &Option<String>| text.clone().filter(|_| member.used);
        let groups = self.groups.iter().filter(|group| {
            group.mandate == member.mandate && group.members.contains(&member.user)
        });
        let groups: BTreeSet<Uuid> = groups.map(|group| group.id).collect();
        json!({
            "userId": member.user, "username": user.username, "email": told(&user.email),
                "firstName": told(&user.first_name),
            "lastName": told(&user.last_name), "roleIds": listed(&member.roles),
                "groupIds": listed(&groups),
            "enabled": member.enabled, "version": member.version,
        })
    }

    /// A new member joins the groups that new members join; not where a delegate or a SysAdmin
    /// brings somebody back.
    pub fn join(&mut self, mandate: Uuid, user: Uuid, roles: BTreeSet<Uuid>, restrained: bool) {
        self.joined += 1;
        self.members.push(Member {
            mandate,
            user,
            enabled: true,
            roles,
            used: false,
            version: 1,
            joined: self.joined,
        });
        if restrained && self.former.contains(&(mandate, user)) {
            return;
        }
        for group in
            self.groups.iter_mut().filter(|group| group.mandate == mandate && group.auto_join)
        {
            group.members.insert(user);
        }
    }

    /// Accesses to instances and places in groups of the mandate go with the membership.
    pub fn leave(&mut self, mandate: Uuid, user: Uuid) {
        self.end_invitations_of(mandate, user);
        self.former.insert((mandate, user));
        self.members.retain(|member| (member.mandate, member.user) != (mandate, user));
        self.admissions.retain(|admission| (admission.mandate, admission.user) != (mandate, user));
        for group in self.groups.iter_mut().filter(|group| group.mandate == mandate) {
            group.members.remove(&user);
        }
    }
}
