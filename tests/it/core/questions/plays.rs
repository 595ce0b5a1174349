//! What somebody may do, asked instead of tried: check and explain.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::core::tables::{MANDATE_TABLES, known};
use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{Operation, Told};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Field, Kind, fitting, may, needs, shaped};
use crate::model::world::access::{
    ALL, Catalogue, MINE, Merged, NEAR, OPERATIONS as NAMES, READ, least, letter,
};
use crate::model::world::{Feature, Group, World, key};

pub const OPERATIONS: &[Operation] = &[
    Operation::post("check_access", "/api/access/check", Guard::Asking(None), draw_check, check),
    Operation::post(
        "explain_access",
        "/api/access/explain",
        Guard::Asking(None),
        draw_explain,
        explain,
    ),
];

/// The headers, as for a question about the mandate or one of its instances.
pub(super) fn draw_context(dice: &mut Dice<'_>) -> Option<Uuid> {
    let mandate = dice.mandate()?;
    if dice.chance(0.5)
        && let Some(instance) = dice.instance_in(mandate, None)
    {
        dice.call.instance = Some(instance.to_string());
    }
    Some(mandate)
}

pub(super) fn draw_table(dice: &mut Dice<'_>) -> Option<String> {
    let features: Vec<String> =
        dice.world.features.iter().flat_map(|row| row.tables.clone()).collect();
    match dice.below(12) {
        0 => Some("nothing".to_owned()),
        1 => Some("access".to_owned()),
        2 => Some("instance-roles".to_owned()),
        3..=6 => dice.one_of(&features),
        _ => dice.one_of(&MANDATE_TABLES).map(str::to_owned),
    }
}

fn draw_question(dice: &mut Dice<'_>, mandate: Uuid) -> Option<Map<String, Value>> {
    let (table, operation, owner) =
        (draw_table(dice)?, NAMES[dice.below(4)], dice.member_of(mandate)?);
    let operation = if dice.chance(0.01) { "view" } else { operation };
    let mut question = dice.some(vec![("ownerId", 0.6, json!(owner))]);
    question
        .extend([("table".to_owned(), json!(table)), ("operation".to_owned(), json!(operation))]);
    if dice.chance(0.15) {
        let views: Vec<String> =
            dice.world.features.iter().flat_map(|row| row.views.clone()).collect();
        let view = if dice.chance(0.1) { "nothing".to_owned() } else { dice.one_of(&views)? };
        // Now and then beside a table, or an owner.
        for (name, odds) in [("table", 0.95), ("operation", 0.95), ("ownerId", 0.95)] {
            if dice.chance(odds) {
                question.remove(name);
            }
        }
        question.insert("view".to_owned(), json!(view));
    }
    Some(question)
}

fn draw_subject(dice: &mut Dice<'_>, mandate: Uuid, body: &mut Map<String, Value>) -> Option<()> {
    if dice.chance(0.6) {
        body.insert("userId".to_owned(), json!(dice.member_of(mandate)?));
    }
    Some(())
}

fn draw_check(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = draw_context(dice)?;
    let count = if dice.chance(0.02) { 101 } else { dice.below(5) };
    let checks: Option<Vec<_>> = (0..count).map(|_| draw_question(dice, mandate)).collect();
    let mut body: Map<String, Value> =
        [("checks".to_owned(), json!(checks?))].into_iter().collect();
    draw_subject(dice, mandate, &mut body)?;
    dice.send(body.into());
    Some(())
}

fn draw_explain(dice: &mut Dice<'_>) -> Option<()> {
    let mandate = draw_context(dice)?;
    let mut body = draw_question(dice, mandate)?;
    draw_subject(dice, mandate, &mut body)?;
    dice.send(body.into());
    Some(())
}

/// A question, read.
pub(super) struct Question<'a> {
    pub target: Target<'a>,
    pub owner: Option<Uuid>,
}

/// An operation on a table, or a view.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Rows(&'a str, usize),
    View(&'a str),
}

impl Target<'_> {
    fn level(self, merged: &Merged) -> u8 {
        match self {
            Self::Rows(table, operation) => merged.level(table, operation),
            Self::View(view) => {
                if merged.views.get(view) == Some(&true) {
                    ALL
                } else {
                    0
                }
            }
        }
    }
    fn is_of_every_instance(self) -> bool {
        matches!(self, Self::Rows(table, _) if ["access", "instance-roles"].contains(&table))
    }
    /// Whether instances of this feature have it.
    pub fn is_known_to(self, world: &World, feature: &str) -> bool {
        let feature: &Feature = world.feature(feature).unwrap();
        self.is_of_every_instance()
            || match self {
                Self::Rows(table, _) => feature.tables.iter().any(|own| own == table),
                Self::View(view) => feature.views.iter().any(|own| own == view),
            }
    }
    fn has_owners(self) -> bool {
        matches!(self, Self::Rows(table, _) if table != "mandate")
    }
}

/// What it is answered.
pub(super) struct Verdict {
    pub alive: bool,
    pub level: u8,
    pub allowed: bool,
}

/// Whom the questions are about, and in which instance; the members' table must reach others.
pub(super) struct Subject {
    pub user: Uuid,
    pub instance: Option<Uuid>,
}

fn require_readable(world: &World, entered: &Entered, user: Uuid) -> Result<(), Refusal> {
    let (mandate, level) = (entered.mandate(), world.level(entered, "members", READ));
    if level == 0 {
        return Err(Refusal::denied("members", READ, least("members", READ)));
    }
    world.member(mandate, user).ok_or_else(Refusal::not_found)?;
    world.admit(entered, "members", READ, world.nearness_of(mandate, entered.user, user))
}

fn subject(
    world: &World,
    entered: &Entered,
    body: &Map<String, Value>,
) -> Result<Subject, Refusal> {
    let user = shape::id(body, "userId").unwrap_or(entered.user);
    if user != entered.user {
        let unknown = |refusal: Refusal| {
            if refusal.status == 404 {
                Refusal::unknown_at("unknown_user", "/userId")
            } else {
                refusal
            }
        };
        require_readable(world, entered, user).map_err(unknown)?;
    }
    Ok(Subject { user, instance: entered.named_instance() })
}

/// Where a table or a view is looked up: the mandate (none), or an instance. Nothing where it is
/// not known here.
pub(super) fn located(
    world: &World,
    mandate: Uuid,
    subject: &Subject,
    target: Target<'_>,
) -> Result<Option<Option<Uuid>>, Refusal> {
    if matches!(target, Target::Rows(table, _) if MANDATE_TABLES.contains(&table)) {
        return Ok(Some(None));
    }
    let knows = |code: &str| target.is_known_to(world, code);
    if let Some(instance) = subject.instance {
        return Ok(Some(Some(instance)).filter(|_| knows(&world.instance(instance).feature)));
    }
    match world.open_instances(mandate, subject.user, knows)[..] {
        [only] => Ok(Some(Some(only))),
        _ if target.is_of_every_instance() || world.features.iter().any(|row| knows(&row.code)) => {
            Err(Refusal::of(400, "instance_context_missing"))
        }
        _ => Ok(None),
    }
}

/// Whether an instance may be named to the caller, of those that somebody works in.
pub(super) fn may_name(world: &World, entered: &Entered, subject: Uuid, instance: Uuid) -> bool {
    let reads_all = world.level(entered, "instances", READ) == ALL;
    subject == entered.user || reads_all || world.is_admitted(instance, entered.user)
}

/// The only instance with such a table or view that the subject is admitted to, whatever is
/// disabled.
fn what_is_disabled(
    world: &World,
    entered: &Entered,
    subject: &Subject,
    target: Target<'_>,
) -> Option<Uuid> {
    let of_subject = world
        .admissions
        .iter()
        .filter(|row| (row.mandate, row.user) == (entered.mandate(), subject.user));
    let fits = |instance: &Uuid| target.is_known_to(world, &world.instance(*instance).feature);
    let fitting = of_subject.map(|row| row.instance).filter(fits);
    let fitting: Vec<Uuid> =
        fitting.filter(|instance| may_name(world, entered, subject.user, *instance)).collect();
    if let [only] = fitting[..] { Some(only) } else { None }
}

pub(super) fn verdict(
    world: &World,
    mandate: Uuid,
    subject: &Subject,
    place: Option<Uuid>,
    question: &Question<'_>,
) -> Verdict {
    let alive = match place {
        None => world.is_alive(mandate, subject.user),
        Some(instance) => world.is_admitted(instance, subject.user),
    };
    let merged = place.map_or_else(
        || world.in_mandate(mandate, subject.user),
        |instance| world.in_instance(instance, subject.user),
    );
    let level = if alive { question.target.level(&merged) } else { 0 };
    let near = |owner| {
        if question.target.has_owners() {
            world.nearness_of(mandate, subject.user, owner)
        } else {
            ALL
        }
    };
    let needed = question.owner.map_or(1, near);
    Verdict { alive, level, allowed: level > 0 && level >= needed }
}

/// All of them, or 422 where a table is not known here.
fn answered(
    world: &World,
    mandate: Uuid,
    subject: &Subject,
    questions: &[Question<'_>],
) -> Result<Vec<Verdict>, Refusal> {
    let places: Result<Vec<_>, _> = questions
        .iter()
        .map(|question| located(world, mandate, subject, question.target))
        .collect();
    let places: Option<Vec<_>> = places?.into_iter().collect();
    let places = places.ok_or_else(Refusal::invalid)?;
    Ok(places
        .into_iter()
        .zip(questions)
        .map(|(place, question)| verdict(world, mandate, subject, place, question))
        .collect())
}

fn question(body: &Map<String, Value>) -> Result<Question<'_>, Refusal> {
    let operation = shape::text(body, "operation")
        .map(|name| NAMES.iter().position(|known| *known == name).ok_or_else(Refusal::invalid));
    let owner = shape::id(body, "ownerId");
    match (shape::text(body, "table"), operation.transpose()?, shape::text(body, "view")) {
        (Some(table), Some(operation), None) => {
            Ok(Question { target: Target::Rows(table, operation), owner })
        }
        (None, None, Some(view)) if owner.is_none() => {
            Ok(Question { target: Target::View(view), owner })
        }
        _ => Err(Refusal::invalid()),
    }
}

const QUESTION: [Field; 4] = [
    may("table", Kind::Text),
    may("operation", Kind::Text),
    may("view", Kind::Text),
    may("ownerId", Kind::Id),
];

fn check(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let body = shaped(call, &[needs("checks", Kind::Objects), may("userId", Kind::Id)])?;
    let checks = body["checks"].as_array().unwrap();
    let questions: Result<Vec<_>, _> = checks
        .iter()
        .map(|check| fitting(check.as_object().unwrap(), &QUESTION).and_then(question))
        .collect();
    let questions = questions?;
    if questions.is_empty() || questions.len() > 100 {
        return Err(Refusal::invalid());
    }
    let subject = subject(world, entered, body)?;
    let verdicts = answered(world, entered.mandate(), &subject, &questions)?;
    let results: Vec<Value> = verdicts
        .iter()
        .map(|verdict| json!({ "allowed": verdict.allowed, "level": letter(verdict.level) }))
        .collect();
    Ok(Reply::ok(json!({ "results": results })))
}

fn explain(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let fields: Vec<Field> = QUESTION.into_iter().chain([may("userId", Kind::Id)]).collect();
    let body = shaped(call, &fields)?;
    let question = question(body)?;
    let (mandate, subject) = (entered.mandate(), subject(world, entered, body)?);
    let place = match located(world, mandate, &subject, question.target) {
        Err(missing) if missing.code == "instance_context_missing" => {
            Some(Some(what_is_disabled(world, entered, &subject, question.target).ok_or(missing)?))
        }
        found => found?,
    };
    let place = place.ok_or_else(Refusal::invalid)?;
    let verdict = &verdict(world, mandate, &subject, place, &question);
    let reason = match verdict {
        Verdict { alive: false, .. } => "not_admitted",
        Verdict { level: 0, .. } => "no_permission",
        _ => "level_too_low",
    };
    let blocked: Vec<Value> =
        (!verdict.allowed).then(|| json!({ "reason": reason })).into_iter().collect();
    let mut answer = json!({
        "allowed": verdict.allowed, "level": letter(verdict.level), "blockedBy": blocked,
        "groups": null,
    });
    if verdict.level == NEAR && question.owner != Some(subject.user) {
        answer["groups"] = reaching(world, entered, subject.user, question.owner);
    }
    if verdict.allowed {
        answer["wouldNeed"] = Value::Null;
    } else {
        answer["wouldNeed"] = json!({ "ways": ways(world, entered, &subject, place, &question) });
    }
    Ok(Reply::ok(answer))
}

/// The groups of a member, or those shared with an owner: by name, and of those that the caller may
/// not read only that they are there.
pub fn reaching(world: &World, entered: &Entered, member: Uuid, owner: Option<Uuid>) -> Value {
    let mandate = entered.mandate();
    let level = world.level(entered, "groups", READ);
    let may_read =
        |group: &Group| level > 0 && world.nearness(mandate, entered.user, &group.members) <= level;
    let both = |group: &&Group| {
        group.members.contains(&member) && owner.is_none_or(|owner| group.members.contains(&owner))
    };
    let mut groups: Vec<&Group> =
        world.groups.iter().filter(|group| group.mandate == mandate).filter(both).collect();
    groups.sort_by_key(|group| (!may_read(group), key(&group.name)));
    let hidden = json!({ "id": null, "name": null, "autoJoin": null });
    let named =
        |group: &Group| json!({ "id": group.id, "name": group.name, "autoJoin": group.auto_join });
    let told = |group: &&Group| if may_read(group) { named(group) } else { hidden.clone() };
    groups.iter().take(20).map(told).collect()
}

/// What would have it allowed: everything opened, and then a role given, or a group shared, where
/// what is held is not enough.
fn ways(
    world: &World,
    entered: &Entered,
    subject: &Subject,
    place: Option<Uuid>,
    question: &Question<'_>,
) -> Value {
    let (mandate, user) = (entered.mandate(), subject.user);
    let least = if let Target::Rows(table, operation) = question.target {
        least(table, operation)
    } else {
        ALL
    };
    let near = |owner| {
        if question.target.has_owners() { world.nearness_of(mandate, user, owner) } else { ALL }
    };
    let needed = question.owner.map_or(least, near).max(least);
    if matches!(question.target,
        Target::Rows(table, operation) if known(table,
        operation).iter().all(|level| *level < needed))
    {
        return json!([]);
    }
    let (member, admission) = (
        world.member(mandate, user).unwrap(),
        place.map(|instance| world.admission(instance, user)),
    );
    let opened = [
        (!world.user(user).active(), "enable_account"),
        (!member.enabled, "enable_membership"),
        (place.is_some_and(|instance| !world.instance(instance).enabled), "enable_instance"),
        (admission == Some(None), "admit"),
        (admission.flatten().is_some_and(|admission| !admission.enabled), "enable_admission"),
    ];
    let steps: Vec<&str> =
        opened.into_iter().filter_map(|(closed, step)| closed.then_some(step)).collect();
    let none = BTreeSet::new();
    let roles = admission
        .map_or(&member.roles, |admission| admission.map_or(&none, |admission| &admission.roles));
    let catalogue =
        place.map_or_else(Catalogue::of_mandates, |instance| world.catalogue_of(instance));
    let held = question.target.level(&Merged::of(
        roles.iter().map(|role| &world.role(*role).unwrap().permissions),
        &catalogue,
    ));
    let known_owner = |owner| {
        let reached = world.level(entered, "members", READ).max(MINE);
        world.member(mandate, owner).is_some()
            && world.nearness_of(mandate, entered.user, owner) <= reached
    };
    let sharing =
        held == NEAR && question.target.has_owners() && question.owner.is_some_and(known_owner);
    let ends: &[Option<&str>] = match (held >= needed, sharing) {
        (true, _) => &[None],
        (false, true) => &[Some("give_role"), Some("share_group")],
        (false, false) => &[Some("give_role")],
    };
    let way = |end: Option<&str>| -> Value {
        let actions = steps.iter().copied().chain(end);
        json!({ "steps": actions.map(|action| json!({ "action": action })).collect::<Vec<_>>() })
    };
    ends.iter().copied().map(way).collect()
}
