//! Check and explain, compared with the reference: what they answer, and why they say it is so.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::reference::{Question, Role, World};
use super::guard::{Outcome, context_refusal};
use super::memory::{Tally, needed};
use super::stage::{Drawn, Stage, Theatre};
use super::worlds::{OPERATIONS, READ};
use super::{letter, tables_scope};
use crate::core::tables::MANDATE_TABLES;
use crate::harness::Answer;

/// Asks both, and compares.
pub async fn compare(theatre: &Theatre, stage: &Stage, drawn: &Drawn, tally: &mut Tally) {
    let Question { table, operation, owner, user, .. } = drawn.question;
    let question = json!({ "table": table, "operation": OPERATIONS[operation], "ownerId": owner });
    let mut explain = question.clone();
    explain["userId"] = json!(user);
    let check =
        ask(theatre, drawn, "/api/access/check", json!({ "checks": [question], "userId": user }))
            .await;
    let explained = ask(theatre, drawn, "/api/access/explain", explain).await;
    let mut note = |what: &str| *tally.entry(what.to_owned().into()).or_default() += 1;
    if let Some(refusal) = refusal(&stage.world, drawn) {
        for answer in [check, explained] {
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                refusal,
                "asking {drawn}: {}",
                answer.body
            );
        }
        return note("asking was refused");
    }
    let (level, allowed) = stage.world.answer(&drawn.question);
    let (check, explained) = (check.expect(200), explained.expect(200));
    let result = json!({ "allowed": allowed, "level": letter(level) });
    assert_eq!(check["results"], json!([result]), "check of {drawn}");
    assert_eq!(
        json!({ "allowed": explained["allowed"], "level": explained["level"] }),
        result,
        "explanation of {drawn}"
    );
    let asker = if drawn.asker == user { "oneself" } else { "somebody else" };
    note(&format!("{} by {asker}", if allowed { "allowed" } else { "refused" }));
    Why { stage, drawn, explained: &explained }.compare(level, allowed, &mut note);
}

async fn ask(theatre: &Theatre, drawn: &Drawn, path: &str, body: Value) -> Answer {
    let asked = &drawn.question;
    let call = theatre
        .app
        .post(path)
        .bearer(&theatre.token(drawn.asker))
        .mandate(asked.mandate)
        .json(body);
    let call = if let Some(instance) = asked.instance.filter(|_| !drawn.bare) {
        call.instance(instance)
    } else {
        call
    };
    call.send().await
}

/// Why the asker is told nothing: they do not come in, or may not read the member whom the question
/// is about.
pub fn refusal(world: &World, drawn: &Drawn) -> Option<Outcome> {
    let Question { user, mandate, instance, .. } = drawn.question;
    let refusal = context_refusal(world, drawn.asker, mandate, instance.filter(|_| !drawn.bare));
    if refusal.is_some() || drawn.asker == user {
        return refusal;
    }
    let member = Question {
        user: drawn.asker,
        instance: None,
        table: "members",
        operation: READ,
        owner: Some(user),
        mandate,
    };
    match world.answer(&member) {
        (0, _) => Some((403, "permission_denied")),
        (_, true) if world.memberships.iter().any(|row| (row.0, row.1) == (mandate, user)) => None,
        _ => Some((404, "not_found")),
    }
}

/// An explanation, next to what it has to say.
struct Why<'a> {
    stage: &'a Stage,
    drawn: &'a Drawn,
    explained: &'a Value,
}

impl Why<'_> {
    fn compare(&self, level: u8, allowed: bool, note: &mut impl FnMut(&str)) {
        assert_eq!(self.explained["because"], self.because(), "what {} comes from", self.drawn);
        let told = self.explained["because"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|role| role["role"].is_null())
            .count();
        if told > 0 {
            note("a role that may not be read");
        }
        self.compare_groups(level);
        if allowed {
            assert_eq!(
                (&self.explained["blockedBy"], &self.explained["wouldNeed"]),
                (&json!([]), &Value::Null),
                "{}",
                self.drawn
            );
            return;
        }
        let asked = &self.drawn.question;
        let reason = match level {
            _ if !self.stage.world.is_alive(asked.user, asked.mandate, asked.instance) => {
                "not_admitted"
            }
            0 => "no_permission",
            _ => "level_too_low",
        };
        let blocked: Vec<&Value> = self.explained["blockedBy"]
            .as_array()
            .unwrap()
            .iter()
            .map(|obstacle| &obstacle["reason"])
            .collect();
        assert_eq!(blocked, [reason], "what is in the way of {}", self.drawn);
        note(reason);
        self.compare_need(note);
    }

    /// Of the groups through which `g` reaches, each that the asker may read is named, and of the
    /// others that they are there.
    fn compare_groups(&self, level: u8) {
        let (world, asked) = (&self.stage.world, &self.drawn.question);
        if level != 2 || asked.owner == Some(asked.user) {
            assert_eq!(self.explained["groups"], Value::Null, "{}", self.drawn);
            return;
        }
        let both = |members: &[Uuid]| {
            members.contains(&asked.user)
                && asked.owner.is_none_or(|owner| members.contains(&owner))
        };
        let reaching: Vec<_> = world
            .groups
            .iter()
            .filter(|group| group.1 == asked.mandate && both(&group.2))
            .collect();
        let by = Question {
            user: self.drawn.asker,
            instance: None,
            table: "groups",
            operation: READ,
            owner: None,
            ..*asked
        };
        let read = world.answer(&by).0;
        let may_read = |members: &[Uuid]| {
            read == 3 || members.iter().any(|member| world.reaches(read, &by, *member))
        };
        let readable: BTreeSet<String> = reaching
            .iter()
            .filter(|group| may_read(&group.2))
            .map(|group| group.0.to_string())
            .collect();
        let told = self.explained["groups"].as_array().unwrap();
        let named: BTreeSet<String> =
            told.iter().filter_map(|group| group["id"].as_str().map(str::to_owned)).collect();
        assert_eq!((named, told.len()), (readable, reaching.len()), "the groups of {}", self.drawn);
        assert_eq!(self.explained["groupCount"], reaching.len(), "{}", self.drawn);
    }

    /// Every held role that gives a level, the highest first; those that may not be read without
    /// their names.
    fn because(&self) -> Value {
        let asked = &self.drawn.question;
        let counting = self
            .stage
            .world
            .counting(asked)
            .into_iter()
            .map(|role| (role, role.level(asked.table, asked.operation)));
        let mut giving: Vec<(&Role, u8)> = counting.filter(|(_, level)| *level > 0).collect();
        giving.sort_by(|(a, higher), (b, lower)| {
            lower.cmp(higher).then_with(|| a.label.cmp(&b.label))
        });
        let permission = format!("{}.{}", asked.table, OPERATIONS[asked.operation]);
        let told = |(role, level): (&Role, u8)| {
            let told = self.drawn.asker == asked.user || self.may_read(role);
            let named = role.rules.iter().any(|rule| rule.0 == asked.table);
            json!({ "role": told.then_some(&role.label), "roleId": told.then_some(role.id),
                "permission": permission,
                    "level": letter(level), "from": if named { "named" } else { "wildcard" } })
        };
        giving.into_iter().map(told).collect()
    }

    /// The role that is named would do, and no lesser one would; where none is named, none would.
    fn compare_need(&self, note: &mut impl FnMut(&str)) {
        let (asked, need) = (&self.drawn.question, &self.explained["wouldNeed"]);
        let world = &self.stage.world;
        let expected = (
            json!(asked.table),
            json!(OPERATIONS[asked.operation]),
            json!(letter(needed(world, asked))),
        );
        assert_eq!(
            (need["table"].clone(), need["operation"].clone(), need["level"].clone()),
            expected,
            "what it takes: {}",
            self.drawn
        );
        let place = asked.instance.unwrap_or(asked.mandate);
        if self.held_would_do() {
            assert_eq!(
                (&need["role"], need["ways"].as_array().unwrap().len()),
                (&Value::Null, 1),
                "{}: {need}",
                self.drawn
            );
            return note("what is held would do");
        }
        let readable: Vec<&Role> =
            world.roles.iter().filter(|role| role.place == place && self.may_read(role)).collect();
        let enough: Vec<&&Role> = readable.iter().filter(|role| self.would_do(role)).collect();
        let Some(named) = need["role"]["id"].as_str().map(|id| id.parse::<Uuid>().unwrap()) else {
            assert!(enough.is_empty(), "no role is named, but {enough:?} would do: {}", self.drawn);
            return note("no role would do");
        };
        let named = **enough
            .iter()
            .find(|role| role.id == named)
            .unwrap_or_else(|| panic!("{need} would not do: {}", self.drawn));
        assert_eq!(need["role"]["label"], json!(named.label));
        let lesser: Vec<_> =
            enough.iter().filter(|role| self.weight(role) < self.weight(named)).collect();
        assert!(
            lesser.is_empty(),
            "{lesser:?} would do and permit less than {named:?}: {}",
            self.drawn
        );
        note("a role is named that would do");
    }

    /// Whether it would be allowed by this role alone, to somebody who is let in.
    fn would_do(&self, role: &Role) -> bool {
        let mut other = self.stage.world.clone();
        other.held.retain(|held| held.1 != self.drawn.question.user);
        other.held.push((role.id, self.drawn.question.user));
        self.is_allowed_when_let_in(other)
    }

    /// Whether it would be allowed by the roles that are held, if the user were let in.
    fn held_would_do(&self) -> bool {
        self.is_allowed_when_let_in(self.stage.world.clone())
    }

    fn is_allowed_when_let_in(&self, mut other: World) -> bool {
        let asked = &self.drawn.question;
        if !other.is_alive(asked.user, asked.mandate, asked.instance) {
            other.users.push((asked.user, true));
            other.memberships.push((asked.mandate, asked.user, true));
            other.admissions.extend(asked.instance.map(|instance| (instance, asked.user, true)));
        }
        other.answer(asked).1
    }

    /// What a role permits, all in all; the protected one is the last resort.
    fn weight(&self, role: &Role) -> (bool, usize) {
        let scope = tables_scope(&self.stage.world, &self.drawn.question);
        let levels = |table: &str| {
            (0..4).map(|operation| usize::from(role.level(table, operation))).sum::<usize>()
        };
        let named = |table: &str| role.rules.iter().find(|rule| rule.0 == table);
        let shown = |table: &str| {
            usize::from(named(table).or_else(|| named("*")).is_some_and(|rule| rule.1))
        };
        let tables: usize = scope.tables.iter().map(|table| levels(table) + shown(table)).sum();
        (
            self.stage.protected.contains(&role.id),
            tables + role.views.iter().filter(|view| view.1).count(),
        )
    }

    /// Whether the asker may read the role: by `roles`, or for an instance's also by its
    /// `instance-roles`.
    fn may_read(&self, role: &Role) -> bool {
        let (world, asked) = (&self.stage.world, &self.drawn.question);
        let by = |table, instance| Question {
            user: self.drawn.asker,
            instance,
            table,
            operation: READ,
            owner: None,
            ..*asked
        };
        let roles = by("roles", None);
        let instance = asked.instance.filter(|_| !MANDATE_TABLES.contains(&asked.table));
        let level = world.answer(&roles).0.max(
            instance.map_or(0, |instance| world.answer(&by("instance-roles", Some(instance))).0),
        );
        let holders = || world.held.iter().filter(|held| held.0 == role.id);
        level == 3 || holders().any(|held| world.reaches(level, &roles, held.1))
    }
}
