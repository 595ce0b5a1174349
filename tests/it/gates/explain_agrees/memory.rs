//! The service's own evaluator over a world that is no database: what it would have loaded is
//! handed to it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bailiwick::access::decision::{self, Target, Verdict};
use bailiwick::access::tables::WILDCARD;
use bailiwick::access::{Level, Merged, Operation, Permissions, Rule};
use bailiwick::kernel::ids::UserId;
use uuid::Uuid;

use super::super::reference::{Question, Role, World};
use super::tables_scope;
use super::worlds::Scope;
use crate::core::tables::known;

/// How often each kind of question was asked and answered.
pub type Tally = BTreeMap<Cow<'static, str>, usize>;

/// Asks both, and compares.
pub fn compare(world: &World, asked: &Question, tally: &mut Tally) -> Result<(), String> {
    let answer = world.answer(asked);
    let held = world.counting(asked);
    let scope = tables_scope(world, asked);
    let permissions: Vec<Permissions> = held.iter().map(|role| permissions(role)).collect();
    let alive = world.is_alive(asked.user, asked.mandate, asked.instance);
    let merged = alive.then(|| Merged::of(&permissions, &scope.catalogue));
    let verdict = verdict(world, asked, merged.as_ref());
    let [level, needed] =
        [answer.0, needed(world, asked)].map(|level| Level::from_number(level.into()));
    let expected = Verdict { allowed: answer.1, level, needed };
    if verdict != expected {
        return Err(format!("the service says {verdict:?}, the reference {expected:?}"));
    }
    if let Some(merged) = merged {
        compare_views(&held, scope, asked, &merged)?;
    }
    count(world, asked, &held, answer, tally);
    Ok(())
}

fn permissions(role: &Role) -> Permissions {
    let named = |(table, view, levels): &(&str, bool, [u8; 4])| {
        let [read, create, update, delete] = levels.map(|level| Level::from_number(level.into()));
        ((*table).to_owned(), Rule { view: *view, read, create, update, delete })
    };
    let views = role.views.iter().map(|(view, allowed)| ((*view).to_owned(), *allowed));
    Permissions { tables: role.rules.iter().map(named).collect(), views: views.collect() }
}

fn verdict(world: &World, asked: &Question, merged: Option<&Merged>) -> Verdict {
    let user = UserId::from(asked.user);
    let target = Target::Rows(asked.table, Operation::ALL[asked.operation]);
    let nearness = asked
        .owner
        .map(|owner| decision::nearness(target, user, owner.into(), &peers(world, asked)));
    decision::verdict(merged, target, nearness)
}

fn peers(world: &World, asked: &Question) -> BTreeSet<UserId> {
    let own = world
        .groups
        .iter()
        .filter(|group| group.1 == asked.mandate && group.2.contains(&asked.user));
    own.flat_map(|group| group.2.iter().copied().map(UserId::from)).collect()
}

/// The least level that the table knows for it and that would do; the highest where none would.
pub fn needed(world: &World, asked: &Question) -> u8 {
    let does = |level: &&u8| {
        **level > 0 && asked.owner.is_none_or(|owner| world.reaches(**level, asked, owner))
    };
    known(asked.table, asked.operation).iter().find(does).copied().unwrap_or(3)
}

/// Views, and whether the table is shown, are OR-ed over the roles.
fn compare_views(
    held: &[&Role],
    scope: &Scope,
    asked: &Question,
    merged: &Merged,
) -> Result<(), String> {
    let any = |view: &str| held.iter().any(|role| role.views.contains(&(view, true)));
    let views: BTreeMap<String, bool> =
        scope.views.iter().map(|view| ((*view).to_owned(), any(view))).collect();
    let named =
        |role: &Role, table| role.rules.iter().find(|rule| rule.0 == table).map(|rule| rule.1);
    let shown =
        held.iter().any(|role| named(role, asked.table).or(named(role, WILDCARD)).unwrap_or(false));
    let same = merged.views == views && merged.tables[asked.table].view == shown;
    if same { Ok(()) } else { Err(format!("shown: {shown}, views: {views:?}, but {merged:?}")) }
}

fn count(
    world: &World,
    asked: &Question,
    held: &[&Role],
    (level, allowed): (u8, bool),
    tally: &mut Tally,
) {
    let mut note = |what: &'static str| *tally.entry(Cow::Borrowed(what)).or_default() += 1;
    note(if allowed { "allowed" } else { "refused" });
    note(["level n", "level m", "level g", "level a"][usize::from(level)]);
    note(nearness_of(world, asked));
    if level > 0 && !allowed {
        note("refused for the row alone");
    }
    if let Some(silent) = silenced(world, asked) {
        note(silent);
    }
    for role in held {
        let rule = |name| {
            role.rules.iter().find(|rule| rule.0 == name).map(|rule| rule.2[asked.operation])
        };
        match (rule(asked.table), rule(WILDCARD)) {
            (Some(named), Some(wildcard)) if named < wildcard => note("named, less than its `*`"),
            (Some(named), Some(wildcard)) if named > wildcard => note("named, more than its `*`"),
            (Some(named), None) if named > 0 => note("named"),
            (None, Some(wildcard)) if role.level(asked.table, asked.operation) < wildcard => {
                note(lowered(asked.table));
            }
            (None, Some(wildcard)) if wildcard > 0 => note("`*`"),
            _ => {}
        }
    }
}

fn lowered(table: &str) -> &'static str {
    match table {
        "members" => "`*` lowered on members.create",
        "mandate" => "`*` lowered on mandate",
        "audit" => "`*` lowered on audit",
        _ => "`*` lowered on something else",
    }
}

fn nearness_of(world: &World, asked: &Question) -> &'static str {
    match asked.owner {
        None => "owner unnamed",
        Some(owner) if world.reaches(1, asked, owner) => "owner oneself",
        Some(owner) if world.reaches(2, asked, owner) => "owner near",
        Some(_) => "owner far",
    }
}

/// The one thing that is disabled, where there would be a level without it.
fn silenced(world: &World, asked: &Question) -> Option<&'static str> {
    let (user, mandate) = (asked.user, asked.mandate);
    let place = asked.instance.unwrap_or(mandate);
    let held = world
        .roles
        .iter()
        .filter(|role| role.place == place && world.held.contains(&(role.id, user)));
    if held.map(|role| role.level(asked.table, asked.operation)).max().unwrap_or(0) == 0 {
        return None;
    }
    let of_instance = |off: &dyn Fn(Uuid) -> bool| asked.instance.is_some_and(off);
    let off = [
        ("would have a level but for the account", world.users.contains(&(user, false))),
        (
            "would have a level but for the mandate",
            world.mandates.iter().any(|row| row.0 == mandate && !row.1),
        ),
        (
            "would have a level but for the deletion",
            world.mandates.iter().any(|row| row.0 == mandate && row.2),
        ),
        (
            "would have a level but for the membership",
            world.memberships.contains(&(mandate, user, false)),
        ),
        (
            "would have a level but for the instance",
            of_instance(&|id| world.instances.iter().any(|row| row.0 == id && !row.3)),
        ),
        (
            "would have a level but for the admission",
            of_instance(&|id| world.admissions.contains(&(id, user, false))),
        ),
    ];
    let mut off = off.into_iter().filter(|(_, is_off)| *is_off);
    let first = off.next()?.0;
    off.next().is_none().then_some(first)
}

/// How often each must have come up among the questions in memory.
pub const LEAST: [(&str, usize); 24] = [
    ("allowed", 10_000),
    ("refused", 10_000),
    ("refused for the row alone", 3_000),
    ("level n", 5_000),
    ("level m", 3_000),
    ("level g", 3_000),
    ("level a", 3_000),
    ("owner oneself", 5_000),
    ("owner near", 5_000),
    ("owner far", 5_000),
    ("owner unnamed", 5_000),
    ("named", 3_000),
    ("named, less than its `*`", 1_000),
    ("named, more than its `*`", 1_000),
    ("`*`", 5_000),
    ("`*` lowered on members.create", 100),
    ("`*` lowered on mandate", 500),
    ("`*` lowered on audit", 500),
    ("would have a level but for the account", 500),
    ("would have a level but for the mandate", 500),
    ("would have a level but for the deletion", 500),
    ("would have a level but for the membership", 500),
    ("would have a level but for the instance", 200),
    ("would have a level but for the admission", 200),
];
