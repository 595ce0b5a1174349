//! The nodes, the mandates of the lanes, and their people.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::json;
use uuid::Uuid;

use super::course::{Asked, Course};
use super::questions::{Question, Told};
use super::taking::Step;
use crate::harness::TestApp;
use crate::harness::world::{Person as Made, Tenant, World, rules};

pub struct Stage {
    pub world: World,
    other: TestApp,
    pub lanes: Vec<Arc<Lane>>,
}

/// A mandate in which one change is made after the other, and nobody else changes anything.
pub struct Lane {
    pub seed: u64,
    pub nodes: [TestApp; 2],
    pub tenant: Tenant,
    /// A SysAdmin of the lane's own, and the mandate's admin.
    pub root: Person,
    pub admin: Person,
    /// Whom things are taken from.
    pub members: Vec<Person>,
    /// Who is a SysAdmin until that is taken.
    pub officer: Person,
    /// Roles that all members hold: in the mandate, and in the instance.
    pub reads: Uuid,
    pub plain: Uuid,
    pub edits: Uuid,
    /// What it is exchanged for.
    pub views: Uuid,
}

pub struct Person {
    pub id: Uuid,
    pub name: String,
    pub token: Mutex<String>,
    pub course: Course,
    /// The last tag of the navigation, and what it stands for.
    known: Mutex<Option<(String, Told)>>,
}

impl From<Made> for Person {
    fn from(Made { id, name, token }: Made) -> Self {
        let (token, known) = (Mutex::new(token), Mutex::default());
        Self { id, name, token, course: Course::begun(), known }
    }
}

impl Stage {
    pub async fn set(lanes: u64, members: usize) -> Self {
        let world = World::new().await;
        let mut stage = Self { other: world.app.another_node(), world, lanes: Vec::new() };
        for seed in 0..lanes {
            let lane = stage.lane(seed, members).await;
            stage.lanes.push(Arc::new(lane));
        }
        stage
    }

    async fn lane(&self, seed: u64, count: usize) -> Lane {
        let world = &self.world;
        let admin = world.stranger(&format!("admin{seed}")).await;
        let tenant = world.another_tenant(&format!("Lane{seed}"), &admin).await;
        let reads =
            world.role_with(&tenant, "reads", json!({ "members": ["a", "a", "a", "a"] })).await;
        let plain =
            world.role_with(&tenant, "plain", json!({ "groups": ["m", "n", "n", "n"] })).await;
        let [edits, views] =
            ["playbooks-editor", "playbooks-viewer"].map(|label| tenant.instance_role(label));
        let call = world.app.patch(format!("/api/roles/{edits}/permissions"));
        let call =
            call.json(json!({ "tables": rules(&json!({ "playbooks": ["a", "a", "a", "a"] })) }));
        call.bearer(&admin.token).mandate(tenant.id).send().await.expect(200);
        let mut members = Vec::new();
        for number in 0..count {
            let name = format!("member{seed}of{number}");
            let person = world.member_with(&tenant, &name, &[reads, plain]).await;
            world.admit(&tenant, person.id, &[edits]).await;
            members.push(person.into());
        }
        Lane {
            seed,
            nodes: [world.app.clone(), self.other.clone()],
            root: self.sys_admin(&format!("root{seed}")).await,
            officer: self.sys_admin(&format!("officer{seed}")).await,
            admin: admin.into(),
            members,
            reads,
            plain,
            edits,
            views,
            tenant,
        }
    }

    async fn sys_admin(&self, name: &str) -> Person {
        let id = self.world.app.account(name, true).await;
        Made { id, name: name.to_owned(), token: self.world.app.sign_in(name).await }.into()
    }
}

impl Lane {
    pub fn membership(&self, person: &Person) -> String {
        self.tenant.path(&format!("/users/{}", person.id))
    }
    pub fn admission(&self, person: &Person) -> String {
        self.tenant.instance_path(&format!("/users/{}", person.id))
    }

    /// Somebody of whom this is to be asked.
    pub fn somebody_for(&self, question: Question, dice: &mut StdRng) -> &Person {
        if question.is_for_officers() { &self.officer } else { self.members.choose(dice).unwrap() }
    }

    /// All sign in anew.
    pub async fn renew(&self) {
        for person in self.members.iter().chain([&self.root, &self.admin, &self.officer]) {
            *person.token.lock().unwrap() = self.nodes[0].sign_in(&person.name).await;
        }
    }

    /// Makes a change, and waits for its answer.
    pub async fn make(&self, step: Step<'_>, concerned: &[&Person], node: usize) {
        for person in concerned {
            person.course.change(step.leaves);
        }
        let mut call = self.nodes[node].call(step.method, &step.path);
        if let Some(by) = step.by {
            call = call.bearer(&by.token());
        }
        if step.by.is_some_and(|by| by.id == self.admin.id) {
            call = call.mandate(self.tenant.id);
        }
        if let Some(body) = step.body {
            call = call.json(body);
        }
        let answer = call.send().await;
        assert!(answer.status.is_success(), "{}: {}", step.path, answer.body);
        if let Some(token) = answer.body["accessToken"].as_str() {
            token.clone_into(&mut concerned[0].token.lock().unwrap());
        }
        for person in concerned {
            person.course.answered();
        }
    }

    pub async fn ask(&self, person: &Person, question: Question, node: usize) -> Asked {
        // Before the token is taken, which may be another one by the next look.
        let since = person.course.now();
        let mut call = question.call(self, node).bearer(&person.token());
        let known = person.known.lock().unwrap().clone();
        if let (Question::KnownNavigation, Some((tag, _))) = (question, &known) {
            call = call.header("if-none-match", tag);
        }
        let answer = call.send().await;
        let due = person.course.due(question, since);
        let unchanged = answer.status.as_u16() == 304;
        let told = match known {
            Some((_, told)) if unchanged => told,
            _ => question.told(&answer, self.tenant.id),
        };
        if answer.status.is_success() && question.is_navigation() {
            *person.known.lock().unwrap() = Some((answer.header("etag").to_owned(), told));
        }
        Asked { question, node, told, unchanged, due }
    }
}

impl Person {
    fn token(&self) -> String {
        self.token.lock().unwrap().clone()
    }
}
