//! A history: one service over a database of its own, one model, and the calls that both are given,
//! one after the other.

use std::collections::VecDeque;
use std::fmt::Write;

use axum::http::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use sqlx::Row;
use uuid::Uuid;

use super::call::{Body, Call, shortened};
use super::dice::Dice;
use super::enter::Guard;
use super::operations::{Operation, Told, all, named};
use super::post;
use super::prelude;
use super::reply::{Outcome, difference};
use super::spoil::spoil;
use super::tally::Tally;
use super::world::{World, listed};
use crate::harness::mailbox::Mailbox;
use crate::harness::{Answer, TestApp};

/// How many calls a failure tells.
const TOLD: usize = 20;
/// How often each mutating operation is to succeed in a history before it is called no oftener than
/// others.
const WANTED: usize = 8;
/// The same for what others use up: each booking is accepted, rejected or cancelled once, and never
/// again.
const WANTED_BY_OTHERS: [(&str, usize); 2] =
    [("create_booking", 4 * WANTED), ("invite_member", 7 * WANTED)];
/// What takes somebody who was invited before, and is so the more often refused; and inviting them,
/// since each of the others uses them up. So with acting as somebody.
const AFTER_ANOTHER: [&str; 7] = [
    "restore_mandate",
    "invite_member",
    "revoke_invitation",
    "resend_invitation",
    "accept_invitation",
    "start_impersonation",
    "end_impersonation",
];
/// How many calls are made up until one is found that will succeed.
const TRIES: usize = 20;
/// How many operations are tried so.
const OPERATIONS: usize = 3;
/// Fewer people signed in than that, and somebody signs in next.
const PRESENT: usize = 6;
/// How many sessions there should be at least, so that some can end.
const SESSIONS: usize = 12;

/// What a call is made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Success,
    Conflict,
    Anything,
}

/// How often a history is refused so, on purpose.
const OFTEN: usize = 12;
/// Refusals that chance alone seldom hits: what somebody let in may still not do.
const CONFLICTS: [&str; 26] = [
    "self_escalation",
    "grant_exceeds_own_access",
    "target_exceeds_own_access",
    "own_request",
    "code_taken",
    "name_taken",
    "label_taken",
    "username_taken",
    "email_taken",
    "already_member",
    "already_has_access",
    "already_invited",
    "not_pending",
    "invitation_not_yours",
    "account_exists",
    "last_mandate_admin",
    "last_sys_admin",
    "last_role",
    "role_in_use",
    "feature_in_use",
    "version_exists",
    "no_previous_revision",
    "already_decided",
    "version_conflict",
    "gone",
    "precondition_failed",
];

fn wanted(id: &str) -> usize {
    WANTED_BY_OTHERS.iter().find(|(other, _)| *other == id).map_or(WANTED, |(_, wanted)| *wanted)
}

pub struct History {
    seed: u64,
    mailbox: Mailbox,
    world: World,
    random: StdRng,
    /// Of the model's sessions, in the same order.
    tokens: Vec<String>,
    /// Lists that go on, each with its cursor.
    open_pages: Vec<Call>,
    told: VecDeque<String>,
    step: usize,
    pub tally: Tally,
}

impl History {
    pub async fn begin(seed: u64) -> Self {
        // What is handed out is good at once: time goes by nowhere here.
        let mailbox = Mailbox::with(&[("BAILIWICK_RESET_DELAY_HOURS", "0")]).await;
        let app = &mailbox.app;
        let world = World::as_installed(app).await;
        let (tokens, open_pages, told) = (Vec::new(), Vec::new(), VecDeque::new());
        let (random, tally) = (StdRng::seed_from_u64(seed), Tally::default());
        Self { seed, mailbox, world, random, tokens, open_pages, told, step: 0, tally }
    }

    fn app(&self) -> &TestApp {
        &self.mailbox.app
    }

    /// Plays so many calls.
    pub async fn play(&mut self, steps: usize) {
        while self.step < steps {
            let call = prelude::call(&self.world, self.step).unwrap_or_else(|| self.next());
            self.make(&call).await;
            self.step += 1;
        }
    }

    async fn make(&mut self, call: &Call) {
        let answer = self.send(call).await;
        let told = self.told_by(call, &answer).await;
        let expected = self.world.step(call, &told);
        self.remember(call, &answer);
        if let Some(difference) = difference(&expected, &answer) {
            panic!("{}", self.report(&difference, &answer));
        }
        if let Some(difference) = post::delivered(&self.mailbox, &mut self.world).await {
            panic!("{}", self.report(&difference, &answer));
        }
        self.tally.count(call.operation, &answer);
        self.learn(call, &told, &expected, &answer);
    }

    async fn send(&self, call: &Call) -> Answer {
        let method = Method::from_bytes(call.operation.method.as_bytes()).unwrap();
        let mut request = self.app().call(method, call.uri());
        if let Some(session) = call.session {
            request = request.bearer(&self.tokens[session]);
        }
        for (name, value) in [
            ("x-mandate-id", &call.mandate),
            ("x-instance-id", &call.instance),
            ("if-match", &call.if_match),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        match &call.body {
            Body::Nothing => request.send().await,
            Body::Json(body) => request.json(body.clone()).send().await,
            Body::Raw(kind, text) => request.raw(kind, text).send().await,
        }
    }

    /// What the service chose: ids in the answer, and those of what was made with it, which no
    /// answer tells.
    async fn told_by(&self, call: &Call, answer: &Answer) -> Told {
        let mut told = Told::by(answer);
        let place = match call.operation.id {
            _ if !answer.status.is_success() => return told,
            "accept_invitation" => {
                told.id = answer.body["userId"].as_str().unwrap().parse().unwrap();
                return told;
            }
            "verify_address" => {
                told.id = self.newest_account().await;
                return told;
            }
            "create_mandate" | "create_feature_instance" => told.id,
            "sync_instance_roles" => call.args[0].parse().unwrap(),
            _ => return told,
        };
        let copies = "select template_role_id, id from roles
                        where coalesce(instance_id, mandate_id) = $1 and template_role_id
                        is not null";
        let rows = sqlx::query(copies).bind(place).fetch_all(&self.app().sql).await.unwrap();
        told.copies = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let everyone =
            sqlx::query_scalar("select id from groups where mandate_id = $1").bind(place);
        told.everyone = everyone.fetch_optional(&self.app().sql).await.unwrap().unwrap_or_default();
        told
    }

    async fn newest_account(&self) -> Uuid {
        let newest = "select id from users order by created_at desc limit 1";
        sqlx::query_scalar(newest).fetch_one(&self.app().sql).await.unwrap()
    }

    /// Tokens of new sessions and cursors of new pages.
    fn learn(&mut self, call: &Call, told: &Told, expected: &Outcome, answer: &Answer) {
        let Ok(reply) = expected else { return };
        if ["login", "start_impersonation"].contains(&call.operation.id) {
            self.tokens.push(answer.body["accessToken"].as_str().unwrap().to_owned());
        }
        if let Some(token) = answer.body["refreshToken"].as_str() {
            let session = told.session;
            let index = self.world.sessions.iter().position(|row| row.id == session).unwrap();
            let number = self.world.sessions[index].number;
            self.world.refresh_tokens.insert(token.to_owned(), (index, number));
            answer.body["accessToken"].as_str().unwrap().clone_into(&mut self.tokens[index]);
        }
        if let Some(position) = reply.page.as_ref().and_then(|page| page.next.clone()) {
            let cursor = answer.body["nextCursor"].as_str().unwrap().to_owned();
            let mut next = call.clone();
            next.query.retain(|(name, _)| *name != "cursor");
            next.query.push(("cursor", cursor.clone()));
            self.world.cursors.insert(cursor, position);
            self.open_pages.push(next);
        }
    }

    /// A call made up by chance: rather of an operation that has seldom succeeded, and rather one
    /// that will succeed or be refused for a reason that is hard to hit.
    fn next(&mut self) -> Call {
        if self.random.random_bool(0.04) && !self.open_pages.is_empty() {
            let index = self.random.random_range(0..self.open_pages.len());
            return self.open_pages.swap_remove(index);
        }
        let wanted = *[(Wanted::Success, 62), (Wanted::Conflict, 20), (Wanted::Anything, 18)]
            .choose_weighted(&mut self.random, |(_, weight)| *weight)
            .map(|(wanted, _)| wanted)
            .unwrap();
        let daring = self.random.random_bool(0.08);
        let mut last = None;
        for _ in 0..OPERATIONS {
            let operation = self.some_operation();
            for _ in 0..TRIES {
                let Some(call) = self.draw(operation, wanted == Wanted::Anything, daring) else {
                    continue;
                };
                let fits = match wanted {
                    Wanted::Anything => true,
                    Wanted::Success => self.world.foreseen(&call).is_ok(),
                    Wanted::Conflict => {
                        self.world.foreseen(&call).is_err_and(|code| self.is_seldom(code))
                    }
                };
                if fits {
                    return call;
                }
                last = Some(call);
            }
        }
        last.unwrap_or_else(|| {
            Call::of(named("list_features"), self.some_session(Guard::User, true))
        })
    }

    /// A refusal that chance alone seldom hits, and that this history did not have often.
    fn is_seldom(&self, code: &str) -> bool {
        CONFLICTS.contains(&code) && self.tally.refusals(code) < OFTEN
    }

    fn some_operation(&mut self) -> &'static Operation {
        if self.world.present().len() < PRESENT && self.random.random_bool(0.5) {
            return named("login");
        }
        // Sessions are ended in many ways, and opened in one.
        let open = self.world.sessions.iter().filter(|session| !session.ended).count();
        if open < SESSIONS && self.random.random_bool(0.1) {
            return named("login");
        }
        let lagging = |operation: &Operation| {
            operation.is_mutation() && self.tally.successes(operation) < wanted(operation.id)
        };
        // What lies behind an instance is reached more seldom.
        let weight = |operation: &Operation| match operation.guard {
            Guard::Feature(..) if lagging(operation) => 8,
            Guard::Instance { .. } if lagging(operation) => 4,
            _ if lagging(operation) && AFTER_ANOTHER.contains(&operation.id) => 5,
            _ if lagging(operation) => 2,
            _ => 1,
        };
        let all: Vec<(&'static Operation, usize)> =
            all().map(|operation| (operation, weight(operation))).collect();
        all.choose_weighted(&mut self.random, |(_, weight)| *weight).unwrap().0
    }

    fn draw(
        &mut self,
        operation: &'static Operation,
        may_be_spoilt: bool,
        daring: bool,
    ) -> Option<Call> {
        let anybody = self.random.random_bool(0.3);
        let call = Call::of(operation, self.some_session(operation.guard, anybody));
        let mut dice = Dice { random: &mut self.random, world: &self.world, call, daring };
        (operation.draw)(&mut dice)?;
        if may_be_spoilt && dice.chance(0.4) {
            spoil(&mut dice);
        }
        Some(dice.call)
    }

    /// One of those who are signed in, with one of their sessions; seldom one that has ended.
    fn some_session(&mut self, guard: Guard, anybody: bool) -> Option<usize> {
        let sessions = 0..self.world.sessions.len();
        let fits = |user: Uuid| anybody || self.world.may_pass(guard, user);
        let present = self.world.present();
        let open = |session: &super::world::Session| {
            !session.ended && present.contains(&session.user) && fits(session.user)
        };
        let open: Vec<usize> =
            sessions.clone().filter(|index| open(&self.world.sessions[*index])).collect();
        if open.is_empty() || self.random.random_bool(0.02) {
            return sessions.collect::<Vec<_>>().choose(&mut self.random).copied();
        }
        let users: std::collections::BTreeSet<Uuid> =
            open.iter().map(|index| self.world.sessions[*index].user).collect();
        let user = *listed(&users).choose(&mut self.random).unwrap();
        let theirs: Vec<usize> =
            open.into_iter().filter(|index| self.world.sessions[*index].user == user).collect();
        theirs.choose(&mut self.random).copied()
    }

    fn remember(&mut self, call: &Call, answer: &Answer) {
        if self.told.len() == TOLD {
            self.told.pop_front();
        }
        let caller = call.session.map_or("nobody", |session| {
            self.world.user(self.world.sessions[session].user).username.as_str()
        });
        let line = format!(
            "{:>5} {caller}: {call}\n      {} {}",
            self.step,
            answer.status.as_u16(),
            shortened(&answer.body.to_string())
        );
        self.told.push_back(line);
    }

    fn report(&self, difference: &str, answer: &Answer) -> String {
        let Self { seed, step, .. } = self;
        let mut text = format!(
            "the service differs from the model in step {step} of seed {seed}: {difference}\n"
        );
        writeln!(
            text,
            "(again: MODEL_SEED={seed} cargo test --test it \
            model_and_service_agree)\nthe last calls:"
        )
        .unwrap();
        for line in &self.told {
            writeln!(text, "{line}").unwrap();
        }
        write!(text, "answered: {}", answer.body).unwrap();
        text
    }
}
