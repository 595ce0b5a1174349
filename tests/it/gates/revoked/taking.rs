//! The ways to take something from somebody, and how it is given back.

use axum::http::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::{Lane, Person};
use crate::harness::app::PASSWORD;
use crate::harness::world::rules;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    SignOut,
    DisableAccount,
    DisableMembership,
    RemoveMember,
    TakeRole,
    LowerPermission,
    DisableAdmission,
    EndAdmission,
    LowerInstanceRole,
    LowerInstancePermission,
    DisableInstance,
    DisableMandate,
    DeleteMandate,
    TakeFlag,
}

pub const TAKINGS: [Taking; 14] = [
    Taking::SignOut,
    Taking::DisableAccount,
    Taking::DisableMembership,
    Taking::RemoveMember,
    Taking::TakeRole,
    Taking::LowerPermission,
    Taking::DisableAdmission,
    Taking::EndAdmission,
    Taking::LowerInstanceRole,
    Taking::LowerInstancePermission,
    Taking::DisableInstance,
    Taking::DisableMandate,
    Taking::DeleteMandate,
    Taking::TakeFlag,
];

/// How a member of a lane stands, or its officer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub signed_in: bool,
    /// Let into the mandate.
    pub inside: bool,
    pub reads_members: bool,
    /// Admitted to the instance.
    pub admitted: bool,
    pub edits_playbooks: bool,
    /// Is a SysAdmin.
    pub governs: bool,
}

impl Standing {
    /// Nothing is taken.
    pub const WHOLE: Self = Self {
        signed_in: true,
        inside: true,
        reads_members: true,
        admitted: true,
        edits_playbooks: true,
        governs: true,
    };
}

/// A call that changes how somebody stands.
pub struct Step<'a> {
    /// Who signs in is nobody yet.
    pub by: Option<&'a Person>,
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
    pub leaves: Standing,
}

/// The same before it is known what it leaves.
type Made<'a> = (&'a Person, Method, String, Option<Value>);

impl<'a> Step<'a> {
    fn of((by, method, path, body): Made<'a>, leaves: Standing) -> Self {
        Self { by: Some(by), method, path, body, leaves }
    }

    fn post(by: &'a Person, path: String, body: Value, leaves: Standing) -> Self {
        Self::of((by, Method::POST, path, Some(body)), leaves)
    }

    fn sign_in(person: &Person) -> Self {
        let body = json!({ "username": person.name, "password": PASSWORD });
        Self {
            by: None,
            method: Method::POST,
            path: "/api/auth/login".to_owned(),
            body: Some(body),
            leaves: Standing::WHOLE,
        }
    }
}

impl Taking {
    /// From whom it is taken: all members, where it is theirs together.
    pub fn concerned<'a>(self, lane: &'a Lane, dice: &mut StdRng) -> Vec<&'a Person> {
        match self {
            Taking::LowerPermission
            | Taking::LowerInstancePermission
            | Taking::DisableInstance
            | Taking::DisableMandate
            | Taking::DeleteMandate => lane.members.iter().collect(),
            Taking::TakeFlag => vec![&lane.officer],
            _ => vec![lane.members.choose(dice).unwrap()],
        }
    }

    /// How they stand then.
    pub fn leaves(self) -> Standing {
        let whole = Standing::WHOLE;
        match self {
            Taking::SignOut | Taking::DisableAccount => Standing { signed_in: false, ..whole },
            Taking::DisableMembership
            | Taking::RemoveMember
            | Taking::DisableMandate
            | Taking::DeleteMandate => Standing { inside: false, ..whole },
            Taking::TakeRole | Taking::LowerPermission => {
                Standing { reads_members: false, ..whole }
            }
            Taking::DisableAdmission | Taking::EndAdmission | Taking::DisableInstance => {
                Standing { admitted: false, ..whole }
            }
            Taking::LowerInstanceRole | Taking::LowerInstancePermission => {
                Standing { edits_playbooks: false, ..whole }
            }
            Taking::TakeFlag => Standing { governs: false, ..whole },
        }
    }

    pub fn steps<'a>(self, lane: &'a Lane, person: &'a Person) -> Vec<Step<'a>> {
        let delete = |by, path| (by, Method::DELETE, path, None);
        let made = match self {
            Taking::SignOut => (person, Method::POST, "/api/auth/logout".to_owned(), None),
            Taking::RemoveMember => delete(&lane.admin, lane.membership(person)),
            Taking::EndAdmission => delete(&lane.admin, lane.admission(person)),
            Taking::DeleteMandate => delete(&lane.root, lane.tenant.path("")),
            _ => self.set(lane, person, false),
        };
        vec![Step::of(made, self.leaves())]
    }

    pub fn back<'a>(self, lane: &'a Lane, person: &'a Person) -> Vec<Step<'a>> {
        let (tenant, whole) = (&lane.tenant, Standing::WHOLE);
        let admit = || {
            let body = json!({ "userId": person.id, "roleIds": [lane.edits] });
            Step::post(&lane.admin, tenant.instance_path("/users"), body, whole)
        };
        match self {
            Taking::SignOut => vec![Step::sign_in(person)],
            // It revives no session.
            Taking::DisableAccount => {
                vec![Step::of(self.set(lane, person, true), self.leaves()), Step::sign_in(person)]
            }
            Taking::RemoveMember => {
                let roles = [lane.reads, lane.plain];
                let body = json!({ "targetUserId": person.id, "roleIds": roles });
                let leaves = Standing { admitted: false, ..whole };
                vec![Step::post(&lane.admin, tenant.path("/users"), body, leaves), admit()]
            }
            Taking::EndAdmission => vec![admit()],
            Taking::DeleteMandate => {
                let path = tenant.path("/restore");
                vec![Step::of((&lane.root, Method::POST, path, None), whole)]
            }
            _ => vec![Step::of(self.set(lane, person, true), whole)],
        }
    }

    /// What is taken and given back by the same call.
    fn set<'a>(self, lane: &'a Lane, person: &Person, on: bool) -> Made<'a> {
        let (root, admin) = (&lane.root, &lane.admin);
        let enabled = json!({ "enabled": on });
        let account = format!("/api/users/{}", person.id);
        let (by, path, body) = match self {
            Taking::DisableAccount => (root, account, enabled),
            Taking::TakeFlag => (root, account, json!({ "isSysAdmin": on })),
            Taking::DisableMandate => (root, lane.tenant.path(""), enabled),
            Taking::DisableMembership => (admin, lane.membership(person), enabled),
            Taking::DisableAdmission => (admin, lane.admission(person), enabled),
            Taking::DisableInstance => (admin, lane.tenant.instance_path(""), enabled),
            Taking::LowerPermission | Taking::LowerInstancePermission => {
                let (role, body) = self.permission(lane, on);
                (admin, format!("/api/roles/{role}/permissions"), body)
            }
            Taking::TakeRole | Taking::LowerInstanceRole => {
                let (of, roles) = self.roles(lane, person, on);
                let body = json!({ "roleIds": roles });
                return (admin, Method::PUT, format!("{of}/roles"), Some(body));
            }
            Taking::SignOut
            | Taking::RemoveMember
            | Taking::EndAdmission
            | Taking::DeleteMandate => unreachable!("{self:?} has calls of its own"),
        };
        (by, Method::PATCH, path, Some(body))
    }

    fn permission(self, lane: &Lane, on: bool) -> (Uuid, Value) {
        let level = if on { "a" } else { "n" };
        let (role, table) = match self {
            Taking::LowerPermission => {
                (lane.reads, json!({ "members": [level, level, level, level] }))
            }
            _ => (lane.edits, json!({ "playbooks": ["a", level, level, level] })),
        };
        (role, json!({ "tables": rules(&table) }))
    }

    fn roles(self, lane: &Lane, person: &Person, on: bool) -> (String, Vec<Uuid>) {
        match (self, on) {
            (Taking::TakeRole, true) => (lane.membership(person), vec![lane.reads, lane.plain]),
            (Taking::TakeRole, false) => (lane.membership(person), vec![lane.plain]),
            (_, true) => (lane.admission(person), vec![lane.edits]),
            (_, false) => (lane.admission(person), vec![lane.views]),
        }
    }
}
