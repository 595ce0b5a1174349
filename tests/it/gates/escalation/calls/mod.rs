//! One random call: an operation, somebody who makes it, and a path and body that are sometimes
//! right, often greedy (one's own id, wider roles, templates, roles of elsewhere) and sometimes
//! carry a field that nobody asked for.

mod bodies;
mod tried;

use axum::http::Method;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::cases::{Case, Names, fill};
use super::reach::{Invited, Snapshot};
use super::stage::{ADMIN, Actor, OTHER_SYS_ADMIN, SYS_ADMIN, Scene};
use crate::features;
use crate::harness::app::PASSWORD;
use tried::For::{self, Anybody, Both, Members, SysAdmins};
pub use tried::operations;
use tried::{OF_CORE, OF_FEATURES, Tried};

/// How many of a hundred calls work with the data of a feature.
const WITH_FEATURES: u32 = 20;

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
    /// What it is sent as, where that is not JSON.
    pub media: Option<&'static str>,
    /// Carries a field that the operation does not know.
    pub poisoned: bool,
}

/// What a call is about: who makes it, and things for its path and its body.
#[derive(Debug, Clone, Copy)]
struct Picked {
    actor: usize,
    mandate: Uuid,
    target: Uuid,
    group: Uuid,
    role: Uuid,
    /// A mandate with one of its instances.
    place: (Uuid, Uuid),
    /// One that waits, in this mandate where there is one.
    invitation: Uuid,
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
        if self.random.random_ratio(WITH_FEATURES, 100) {
            return self.feature_call();
        }
        self.call_among(|_| true)
    }

    /// A call of one of these operations of the core.
    pub fn call_among(&mut self, wanted: impl Fn(&str) -> bool) -> Call {
        let among: Vec<_> = OF_CORE.iter().filter(|tried| wanted(tried.name)).collect();
        let tried = *among.choose_weighted(self.random, |tried| tried.weight).unwrap();
        let (operation, class) = (tried.name, tried.class);
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
        let for_oneself = operation == "POST /api/users/{userId}/email";
        let target = if for_oneself && self.random.random_bool(0.5) {
            self.people[actor].id
        } else {
            self.user(actor)
        };
        let mandate =
            if operation.ends_with("/restore") { self.deleted_mandate() } else { mandate };
        let role = if templates { self.template() } else { self.role(header) };
        let group = self.group(mandate);
        let (invitation, actor) = self.invitation_for(operation, mandate, actor);
        let picked = Picked { actor, mandate, target, group, role, place, invitation };
        let (path, mut body) = self.request(tried, &picked);
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
            media: tried.case.media,
            poisoned,
        }
    }

    /// Path and body; as the case has them, where nothing greedier is known of the operation.
    fn request(&mut self, tried: &Tried, picked: &Picked) -> (String, Option<Value>) {
        let (_, template) = tried.name.split_once(' ').unwrap();
        let path = template
            .replace("{mandateId}", &picked.mandate.to_string())
            .replace("{userId}", &picked.target.to_string())
            .replace("{groupId}", &picked.group.to_string())
            .replace("{roleId}", &picked.role.to_string())
            .replace("{invitationId}", &picked.invitation.to_string())
            .replace("{instanceId}", &picked.place.1.to_string())
            .replace("{featureCode}", &self.feature());
        let path = match tried.name {
            "POST /api/features/instances/{instanceId}/sync-roles" => {
                format!("{path}?addOnly={}", self.random.random_bool(0.3))
            }
            "DELETE /api/users/{userId}" => format!("{path}?mode=erase"),
            _ => path,
        };
        let body = self.body(tried.name, picked);
        if path.contains('{') || (body.is_none() && tried.case.body.is_some()) {
            return self.as_usual(&tried.case, picked);
        }
        (path, body)
    }

    fn as_usual(&mut self, case: &Case, picked: &Picked) -> (String, Option<Value>) {
        let mut names = self.names.clone();
        let Picked { actor, mandate, target, group, role, place, invitation } = *picked;
        let ids = [
            ("mandate", mandate),
            ("target", target),
            ("newcomer", target),
            ("account", target),
            ("admitted", target),
            ("group", group),
            ("role", role),
            ("spare", role),
            ("instance", place.1),
            ("invitation", invitation),
        ];
        names.extend(ids.map(|(name, id)| (name, id.to_string())));
        let theirs = self.people.iter().find(|person| person.id == target);
        names.insert("session", theirs.unwrap_or(&self.people[actor]).session.to_string());
        names.insert("ownsession", self.people[actor].session.to_string());
        names.insert("unique", format!("u{}", self.random.random::<u32>()));
        names.insert("username", self.people[actor].name.to_owned());
        names.insert("password", PASSWORD.to_owned());
        let body = case.body.map(|body| serde_json::from_str(&fill(body, &names)).unwrap());
        (fill(case.uri, &names), body)
    }

    /// Work with the data of the feature that is staged, by somebody who is admitted or not.
    fn feature_call(&mut self) -> Call {
        let staged: Vec<_> = OF_FEATURES
            .iter()
            .filter(|tried| features::of(&tried.case).map(|s| s.feature.code) == Some(self.feature))
            .collect();
        let Tried { name: operation, case, .. } = staged.choose(self.random).unwrap();
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
            media: case.media,
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

    /// An invitation of this mandate; to accept one of anywhere, mostly by whom it is for, and
    /// mostly of somebody who is no member there.
    fn invitation_for(&mut self, operation: &str, mandate: Uuid, actor: usize) -> (Uuid, usize) {
        let accepts = operation == super::ACCEPT;
        let (people, view) = (self.people, self.view);
        let theirs = |row: &Invited| {
            let email = row.2.to_lowercase();
            people.iter().position(|person| email == format!("{}@example.com", person.name))
        };
        let is_there =
            |row: &Invited, user| view.memberships.iter().any(|o| (o.0, o.1) == (row.0, user));
        let anybodys = self.random.random_bool(0.15);
        let fits = |row: &&Invited| match theirs(row) {
            _ if !accepts => row.0 == mandate,
            Some(person) => anybodys || !is_there(row, people[person].id),
            None => anybodys,
        };
        let waiting: Vec<Invited> = view.invitations.iter().filter(fits).cloned().collect();
        let Some(invited) = waiting.choose(self.random) else { return (Uuid::now_v7(), actor) };
        let by_whom = accepts && self.random.random_bool(0.9);
        (invited.1, theirs(invited).filter(|_| by_whom).unwrap_or(actor))
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
