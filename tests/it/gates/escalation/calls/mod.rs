//! One random call: an operation, somebody who makes it, and a path and body that are sometimes right, often greedy (one's own
//! id, wider roles, templates, roles of elsewhere) and sometimes carry a field that nobody asked for.

mod bodies;

use std::sync::LazyLock;

use axum::http::Method;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::cases::{self, Case, Names, fill};
use super::reach::Snapshot;
use super::stage::{ADMIN, Actor, OTHER_SYS_ADMIN, SYS_ADMIN, Scene};
use crate::features;

/// Who is let in at all.
#[derive(Clone, Copy, PartialEq)]
enum For {
    SysAdmins,
    Both,
    Members,
    Anybody,
}
use For::{Anybody, Both, Members, SysAdmins};

/// Every mutating operation, who is let in, and how often it is called beside the others. Rare: what costs a password hash,
/// and what ends the sequence for its caller or for all.
const OPERATIONS: [(&str, For, u32); 39] = [
    ("POST /api/mandates", SysAdmins, 9),
    ("PATCH /api/mandates/{mandateId}", Both, 12),
    ("PUT /api/mandates/{mandateId}", Both, 13),
    ("DELETE /api/mandates/{mandateId}", SysAdmins, 5),
    ("POST /api/mandates/{mandateId}/restore", SysAdmins, 6),
    ("PUT /api/mandates/{mandateId}/limits", SysAdmins, 6),
    ("POST /api/mandates/{mandateId}/users", Both, 25),
    ("PATCH /api/mandates/{mandateId}/users/{userId}", Both, 20),
    ("DELETE /api/mandates/{mandateId}/users/{userId}", Both, 8),
    ("PUT /api/mandates/{mandateId}/users/{userId}/roles", Both, 50),
    ("PUT /api/mandates/{mandateId}/users/{userId}/roles/{roleId}", Both, 50),
    ("DELETE /api/mandates/{mandateId}/users/{userId}/roles/{roleId}", Both, 25),
    ("POST /api/mandates/{mandateId}/groups", Members, 7),
    ("PATCH /api/mandates/{mandateId}/groups/{groupId}", Members, 9),
    ("DELETE /api/mandates/{mandateId}/groups/{groupId}", Members, 12),
    ("PUT /api/mandates/{mandateId}/groups/{groupId}/members", Members, 60),
    ("POST /api/mandates/{mandateId}/roles", Both, 8),
    ("PATCH /api/roles/{roleId}", Members, 15),
    ("DELETE /api/roles/{roleId}", Members, 24),
    ("PUT /api/roles/{roleId}/permissions", Members, 60),
    ("PATCH /api/roles/{roleId}/permissions", Members, 60),
    ("POST /api/features", SysAdmins, 6),
    ("PATCH /api/features/{featureCode}", SysAdmins, 11),
    ("DELETE /api/features/{featureCode}", SysAdmins, 17),
    ("POST /api/features/instances", Members, 14),
    ("PATCH /api/features/instances/{instanceId}", Both, 7),
    ("DELETE /api/features/instances/{instanceId}", Both, 9),
    ("POST /api/features/instances/{instanceId}/sync-roles", Both, 25),
    ("POST /api/features/instances/{instanceId}/roles", Members, 7),
    ("POST /api/features/instances/{instanceId}/users", Members, 40),
    ("PATCH /api/features/instances/{instanceId}/users/{userId}", Members, 30),
    ("DELETE /api/features/instances/{instanceId}/users/{userId}", Members, 19),
    ("PUT /api/features/instances/{instanceId}/users/{userId}/roles", Members, 50),
    ("POST /api/features/templates/roles", SysAdmins, 6),
    ("POST /api/users", SysAdmins, 4),
    ("PATCH /api/users/{userId}", Anybody, 30),
    ("DELETE /api/users/{userId}", Anybody, 3),
    ("POST /api/auth/login", Anybody, 2),
    ("POST /api/auth/logout", Anybody, 2),
];

/// How many of a hundred calls work with the data of a feature.
const OF_FEATURES: u32 = 20;

/// The mutating operations of each feature, as `METHOD path`, with the case that shows how one is called.
static FEATURE_OPERATIONS: LazyLock<Vec<(&'static str, Case)>> = LazyLock::new(|| {
    let of_features = cases::all()
        .into_iter()
        .filter(|(operation, case)| operation.is_mutation() && features::of(case).is_some());
    of_features
        .map(|(operation, case)| {
            (format!("{} {}", operation.method, operation.path).leak() as &str, case)
        })
        .collect()
});

/// The operations of the OpenAPI document that are tried here, as `METHOD path`.
pub fn operations() -> impl Iterator<Item = &'static str> {
    let core = OPERATIONS.iter().map(|(operation, ..)| *operation);
    core.chain(FEATURE_OPERATIONS.iter().map(|(operation, _)| *operation))
}

/// A call to be made.
#[derive(Debug)]
pub struct Call {
    pub operation: &'static str,
    /// Position of the caller among the people.
    pub actor: usize,
    pub method: Method,
    pub path: String,
    pub mandate: Option<Uuid>,
    pub instance: Option<String>,
    pub body: Option<Value>,
    /// Carries a field that the operation does not know.
    pub poisoned: bool,
}

/// What a random call is drawn from.
pub struct Dice<'a> {
    pub random: &'a mut StdRng,
    pub view: &'a Snapshot,
    pub people: &'a [Actor],
    pub scene: Scene,
    /// The feature that is staged, and what its rows are called.
    pub feature: &'static str,
    pub names: &'a Names,
}

impl Dice<'_> {
    pub fn call(&mut self) -> Call {
        if self.random.random_ratio(OF_FEATURES, 100) {
            return self.feature_call();
        }
        self.call_among(|_| true)
    }

    /// A call of one of these operations of the core.
    pub fn call_among(&mut self, wanted: impl Fn(&str) -> bool) -> Call {
        let among: Vec<_> = OPERATIONS.iter().filter(|(operation, ..)| wanted(operation)).collect();
        let (operation, class, _) =
            **among.choose_weighted(self.random, |(.., weight)| *weight).unwrap();
        let actor = self.actor(class);
        let (method, template) = operation.split_once(' ').unwrap();
        let mandate = self.mandate();
        let place = self.instance();
        // The header names the mandate that the path is in, unless it lies.
        let mandate_of_path = if template.contains("{instanceId}") { place.0 } else { mandate };
        let lies = self.random.random_bool(0.03);
        let header = if lies { self.mandate() } else { mandate_of_path };
        let is_sys_admin = actor <= OTHER_SYS_ADMIN;
        let without = class == SysAdmins
            || class == Anybody
            || (is_sys_admin && class == Both && self.random.random_bool(0.7));
        let templates =
            is_sys_admin && template.starts_with("/api/roles") && self.random.random_bool(0.5);
        let target = self.user(actor);
        let mandate =
            if operation.ends_with("/restore") { self.deleted_mandate() } else { mandate };
        let role = if templates { self.template() } else { self.role(header) };
        let group = self.group(mandate);
        let path = template
            .replace("{mandateId}", &mandate.to_string())
            .replace("{userId}", &target.to_string())
            .replace("{groupId}", &group.to_string())
            .replace("{roleId}", &role.to_string())
            .replace("{instanceId}", &place.1.to_string())
            .replace("{featureCode}", &self.feature());
        let path = match operation {
            "POST /api/features/instances/{instanceId}/sync-roles" => {
                format!("{path}?addOnly={}", self.random.random_bool(0.3))
            }
            "DELETE /api/users/{userId}" => format!("{path}?mode=erase"),
            _ => path,
        };
        let mut body = self.body(operation, actor, (mandate, group), place, role);
        let poisoned =
            self.random.random_bool(0.03) && body.as_mut().is_some_and(|body| self.poison(body));
        let method = method.parse().unwrap();
        Call {
            operation,
            actor,
            method,
            path,
            mandate: (!without && !templates).then_some(header),
            instance: None,
            body,
            poisoned,
        }
    }

    /// Work with the data of the feature that is staged, by somebody who is admitted or not.
    fn feature_call(&mut self) -> Call {
        let staged: Vec<_> = FEATURE_OPERATIONS
            .iter()
            .filter(|(_, case)| features::of(case).map(|s| s.feature.code) == Some(self.feature))
            .collect();
        let (operation, case) = staged.choose(self.random).unwrap();
        let actor = if self.random.random_bool(0.5) {
            *[ADMIN, ADMIN + 1].choose(self.random).unwrap()
        } else {
            self.actor(Members)
        };
        let mut names = self.names.clone();
        names.insert("unique", format!("u{}", self.random.random::<u32>()));
        let mut body = case.body.map(|body| serde_json::from_str(&fill(body, &names)).unwrap());
        let poisoned =
            self.random.random_bool(0.03) && body.as_mut().is_some_and(|body| self.poison(body));
        let (method, _) = operation.split_once(' ').unwrap();
        let path = fill(case.uri, &names);
        let instance = case.instance.map(|instance| fill(instance, &names));
        Call {
            operation,
            actor,
            method: method.parse().unwrap(),
            path,
            mandate: Some(self.scene.main),
            instance,
            body,
            poisoned,
        }
    }

    /// Half the time somebody who might be let in, else anybody but the SysAdmins.
    fn actor(&mut self, class: For) -> usize {
        let likely: &[usize] = match class {
            SysAdmins => &[SYS_ADMIN, SYS_ADMIN, SYS_ADMIN, OTHER_SYS_ADMIN],
            Both => &[SYS_ADMIN, SYS_ADMIN, ADMIN, 3, 4, 5, 6],
            Members | Anybody => &[SYS_ADMIN, ADMIN, 3, 4, 5, 6],
        };
        let anybody = self.random.random_range(ADMIN + 1..self.people.len());
        if self.random.random_bool(0.5) { anybody } else { *likely.choose(self.random).unwrap() }
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        items.choose(self.random).copied()
    }

    /// Oneself, gladly.
    fn user(&mut self, actor: usize) -> Uuid {
        let known: Vec<Uuid> = self.view.users.iter().map(|user| user.0).collect();
        match self.random.random_range(0..100) {
            0..40 => self.people[actor].id,
            40..98 => self.pick(&known).unwrap(),
            _ => Uuid::now_v7(),
        }
    }

    fn mandate(&mut self) -> Uuid {
        let known: Vec<Uuid> = self.view.mandates.iter().map(|mandate| mandate.0).collect();
        match self.random.random_range(0..100) {
            0..88 => self.scene.main,
            88..94 => self.scene.foreign,
            _ => self.pick(&known).unwrap_or_default(),
        }
    }

    fn deleted_mandate(&mut self) -> Uuid {
        let deleted: Vec<Uuid> = self
            .view
            .mandates
            .iter()
            .filter(|mandate| mandate.1)
            .map(|mandate| mandate.0)
            .collect();
        if self.random.random_bool(0.9) {
            self.pick(&deleted).unwrap_or_default()
        } else {
            self.mandate()
        }
    }

    /// Mostly somebody who is not there yet, if that is not oneself again.
    fn newcomer(&mut self, actor: usize, is_there: impl Fn(Uuid) -> bool) -> Uuid {
        let others: Vec<Uuid> =
            self.view.users.iter().map(|user| user.0).filter(|user| !is_there(*user)).collect();
        if self.random.random_bool(0.7) {
            self.pick(&others).unwrap_or_default()
        } else {
            self.user(actor)
        }
    }

    fn group(&mut self, mandate: Uuid) -> Uuid {
        let own: Vec<Uuid> = self
            .view
            .groups
            .iter()
            .filter(|group| group.0 == mandate)
            .map(|group| group.1)
            .collect();
        self.pick(&own).unwrap_or_default()
    }

    /// An instance, with its mandate.
    fn instance(&mut self) -> (Uuid, Uuid) {
        let (main, anywhere): (Vec<_>, Vec<_>) = self
            .desks()
            .map(|instance| (instance.0, instance.1))
            .partition(|place| place.0 == self.scene.main);
        let own = if self.random.random_bool(0.94) { &main } else { &anywhere };
        self.pick(own).unwrap_or_default()
    }

    /// The instances whose roles and admissions are played with.
    fn desks(&self) -> impl Iterator<Item = &(Uuid, Uuid, String)> {
        self.view.instances.iter().filter(|instance| instance.2 == "desk")
    }

    fn feature(&mut self) -> String {
        let own: Vec<&str> = self.view.features.iter().map(|feature| feature.0.as_str()).collect();
        self.pick(&own).unwrap_or_default().to_owned()
    }

    fn roles(&self, wanted: impl Fn(&super::reach::Role) -> bool) -> Vec<Uuid> {
        self.view.roles.iter().filter(|role| wanted(role)).map(|role| role.id).collect()
    }

    /// A mandate role of the mandate, or one of its instances' roles.
    fn role(&mut self, mandate: Uuid) -> Uuid {
        let of_instances = self.random.random_bool(0.5);
        let own = self.roles(|role| {
            let of_desk = role.feature.as_deref().is_none_or(|feature| feature == "desk");
            role.mandate == Some(mandate) && role.instance.is_some() == of_instances && of_desk
        });
        self.pick(&own).unwrap_or_default()
    }

    fn template(&mut self) -> Uuid {
        let templates = self.roles(|role| role.mandate.is_none());
        self.pick(&templates).unwrap_or_default()
    }

    /// Roles to give in a mandate or an instance; now and then one of elsewhere.
    fn given(&mut self, mandate: Uuid, instance: Option<Uuid>) -> Vec<Uuid> {
        let own = self.roles(|role| role.mandate == Some(mandate) && role.instance == instance);
        let any = self.roles(|_| true);
        let count = self.random.random_range(1..=2);
        let mut given: Vec<Uuid> = own.sample(self.random, count).copied().collect();
        if self.random.random_bool(0.05) {
            given.extend(self.pick(&any));
        }
        given
    }

    fn word(&mut self, kind: &str) -> String {
        format!("{kind} {}", self.random.random::<u32>())
    }

    fn yes(&mut self) -> bool {
        self.random.random_bool(0.75)
    }

    /// Adds a field that might raise somebody, were it not refused.
    fn poison(&mut self, body: &mut Value) -> bool {
        let fields = [
            ("isAdmin", json!(true)),
            ("mandateId", json!(self.scene.main)),
            ("ownerId", json!(self.people[ADMIN].id)),
            ("protected", json!(true)),
            ("scope", json!("mandate")),
            ("templateRoleId", json!(self.template())),
            ("actorId", json!(self.people[ADMIN].id)),
        ];
        let (field, value) = fields.choose(self.random).unwrap();
        body.as_object_mut()
            .is_some_and(|body| body.insert((*field).to_owned(), value.clone()).is_none())
    }
}
