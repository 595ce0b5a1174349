//! Every operation called by every kind of caller, in every kind of context, and what comes of it.
//! The outcomes are kept in `route_matrix.txt`, to be read when they change:
//! `UPDATE_GOLDEN=1 cargo test --test it route_matrix` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use uuid::Uuid;

use super::cases::{Case, Names};
use super::operations::Operation;
use super::stage::{Approach, Ground, call, may_have_changed, on_grounds};
use super::walker::Steps;
use crate::features;
use crate::harness::app::Answer;

/// A kind of caller or context.
#[derive(Debug, Clone)]
enum Column {
    Plain(&'static str),
    Walker(Steps),
}

/// Callers that every operation knows. Those that start with `header` are sent by whoever the route
/// is for: an admin of the mandate, or, on routes for SysAdmins only, a SysAdmin.
const PLAIN: &[&str] = &[
    "anonymous",
    "bad token",
    "ended session",
    "disabled user",
    "stranger",
    "twin's admin",
    "twin's admin, own header",
    "member n",
    "admin",
    "SysAdmin",
    "SysAdmin, header",
    "SysAdmin, header of the twin",
    "SysAdmin who is admin, header",
    "SysAdmin as admin",
    "SysAdmin as admin, where it is not allowed",
    "header missing",
    "header empty",
    "header malformed",
    "header doubled",
    "header unknown",
    "header of the twin",
    "header of another own mandate",
    "header of a deleted mandate",
    "disabled membership",
    "disabled mandate",
    "deleted mandate",
    "disabled mandate, SysAdmin",
    "deleted mandate, SysAdmin",
];
const IN_INSTANCES: &[&str] = &["disabled instance", "disabled access"];
const INSTANCE_HEADERS: &[&str] = &[
    "instance header malformed",
    "instance header doubled",
    "instance header unknown",
    "instance header of the twin",
    "instance header without mandate",
];

impl Column {
    fn all(operation: &Operation, case: &Case) -> Vec<Column> {
        let mut columns: Vec<Column> = PLAIN.iter().map(|name| Column::Plain(name)).collect();
        if operation.admits("oneself") {
            columns.push(Column::Plain("oneself n"));
        }
        if case.mentions("instance") || case.mentions("irole") || features::of(case).is_some() {
            columns.extend(IN_INSTANCES.iter().map(|name| Column::Plain(name)));
        }
        if case.instance.is_some() {
            columns.extend(INSTANCE_HEADERS.iter().map(|name| Column::Plain(name)));
        }
        columns.extend(Steps::all(operation, case).into_iter().map(Column::Walker));
        columns
    }
    fn title(&self) -> String {
        match self {
            Column::Plain(name) => (*name).to_owned(),
            Column::Walker(steps) => steps.title(),
        }
    }
}

/// Sets the stage for one cell and says how the call is made.
async fn approach(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    column: &Column,
    names: &Names,
) -> Approach {
    match column {
        Column::Plain(name) if name.starts_with("header") => with_header(
            ground,
            Approach { mandate: Vec::new(), ..ground.rightful(operation, case) },
            name,
        ),
        Column::Plain(name) if name.starts_with("instance header") => {
            with_instance_header(ground, case, name, names)
        }
        Column::Plain(name) if name.starts_with("disabled") || name.starts_with("deleted") => {
            disabled(ground, operation, case, name, names).await
        }
        Column::Plain("member n") => ground.walker_at_n(case, names).await,
        Column::Plain(name) => plain(ground, name).await,
        Column::Walker(steps) => ground.walker(steps, case, names).await,
    }
}

async fn plain(ground: &Ground, name: &str) -> Approach {
    let (world, acme) = (&ground.world, ground.world.acme.id);
    match name {
        "anonymous" => Approach::nobody().in_mandate(acme),
        "bad token" => {
            Approach { token: Some("bad".to_owned()), ..Approach::nobody() }.in_mandate(acme)
        }
        "ended session" => Approach::of(&ground.ended).in_mandate(acme),
        "stranger" => Approach::of(&ground.stranger).in_mandate(acme),
        "twin's admin" => Approach::of(&world.globex.admin).in_mandate(acme),
        "twin's admin, own header" => Approach::of(&world.globex.admin).in_mandate(world.globex.id),
        "oneself n" => {
            let walker = ground.walker.id;
            ground
                .walker_without_permission()
                .await
                .aiming("target", walker)
                .aiming("account", walker)
        }
        "admin" => Approach::of(&world.acme.admin).in_mandate(acme),
        "SysAdmin" => Approach::of(&world.sys_admin),
        "SysAdmin, header" => Approach::of(&world.sys_admin).in_mandate(acme),
        "SysAdmin, header of the twin" => {
            Approach::of(&world.sys_admin).in_mandate(world.globex.id)
        }
        "SysAdmin who is admin, header" => {
            let (user, admin) = (world.sys_admin.id, world.acme.role("admin"));
            ground
                .sql(format!(
                    "insert into memberships (id, mandate_id, user_id, created_at)
                       values (gen_random_uuid(), '{acme}', '{user}', now());
                     insert into member_roles (mandate_id, user_id, role_id)
                       values ('{acme}', '{user}', '{admin}')"
                ))
                .await;
            Approach::of(&world.sys_admin).in_mandate(acme)
        }
        "SysAdmin as admin" => Approach::acting(ground).in_mandate(acme),
        "SysAdmin as admin, where it is not allowed" => {
            Approach::acting(ground).in_mandate(ground.other)
        }
        other => unreachable!("no caller is called {other}"),
    }
}

fn with_header(ground: &Ground, by: Approach, name: &str) -> Approach {
    let (acme, globex) = (ground.world.acme.id, ground.world.globex.id);
    match name {
        "header missing" => by,
        "header empty" => by.in_mandate(""),
        "header malformed" => by.in_mandate(&acme.to_string()[1..]),
        "header doubled" => by.in_mandate(acme).in_mandate(acme),
        "header unknown" => by.in_mandate(Uuid::now_v7()),
        "header of the twin" => by.in_mandate(globex),
        "header of another own mandate" => by.in_mandate(ground.other),
        "header of a deleted mandate" => by.in_mandate(ground.gone),
        other => unreachable!("no header is called {other}"),
    }
}

fn with_instance_header(ground: &Ground, case: &Case, name: &str, names: &Names) -> Approach {
    let by = Approach::of(&ground.world.acme.admin);
    let staged = features::of(case);
    let own = names[staged.map_or("instance", |staged| staged.feature.code)].clone();
    let headers = match name {
        "instance header malformed" => vec![own[1..].to_owned()],
        "instance header doubled" => vec![own.clone(), own],
        "instance header unknown" => vec![Uuid::now_v7().to_string()],
        "instance header of the twin" => vec![ground.world.globex.instance.to_string()],
        "instance header without mandate" => return by,
        other => unreachable!("no header is called {other}"),
    };
    Approach { instance: Some(headers), ..by.in_mandate(ground.world.acme.id) }
}

/// Something on the way is disabled; the caller would otherwise come in.
async fn disabled(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    name: &str,
    names: &Names,
) -> Approach {
    let (world, acme) = (&ground.world, ground.world.acme.id);
    let admin = Approach::of(&world.acme.admin).in_mandate(acme);
    let staged = features::of(case);
    let instance = &names[staged.map_or("instance", |staged| staged.feature.code)];
    let off = match name {
        "disabled user" => return Approach::of(&ground.disabled).in_mandate(acme),
        "disabled membership" => {
            format!(
                "update memberships set enabled = false where mandate_id = '{acme}'
                   and user_id = '{}'",
                world.acme.admin.id
            )
        }
        "disabled mandate" | "disabled mandate, SysAdmin" => {
            format!("update mandates set enabled = false where id = '{acme}'")
        }
        "deleted mandate" | "deleted mandate, SysAdmin" => {
            format!(
                "update mandates set deleted_at = now(), purge_at = now() + interval '30 days'
                   where id = '{acme}'"
            )
        }
        "disabled instance" => {
            format!("update feature_instances set enabled = false where id = '{instance}'")
        }
        "disabled access" => {
            format!("update feature_accesses set enabled = false where instance_id = '{instance}'")
        }
        other => unreachable!("nothing is disabled by {other}"),
    };
    // In an instance: by a role held in it, where the route knows one, since an admin manages
    // disabled instances too.
    let inside = Steps::all(operation, case).into_iter().find(|steps| {
        steps.level == 3
            && (staged.is_some() || ["access", "instance-roles"].contains(&steps.table.as_str()))
    });
    let by = match inside {
        Some(steps) if name.ends_with("instance") || name.ends_with("access") => {
            ground.walker(&steps, case, names).await
        }
        _ if name.ends_with("SysAdmin") => Approach::of(&world.sys_admin),
        _ => admin,
    };
    ground.sql(off).await;
    by
}

fn outcome(answer: &Answer) -> String {
    // Mandates and features have a `code` of their own.
    let code = if answer.status.is_success() { "" } else { answer.code() };
    format!("{} {code}", answer.status.as_u16()).trim_end().to_owned()
}

/// One case called by everybody: the outcomes, with the columns that have each.
async fn row(ground: &Ground, operation: &Operation, case: &Case) -> String {
    let app = &ground.world.app;
    let mut names = ground.stage_for(case, &ground.world.acme).await;
    let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for column in Column::all(operation, case) {
        if matches!(column, Column::Walker(_)) {
            // Whose row it is differs from column to column.
            names = ground.stage_for(case, &ground.world.acme).await;
        }
        let approach = approach(ground, operation, case, &column, &names).await;
        let answer = call(app, operation, case, &names, &approach).await;
        let (title, outcome) = (column.title(), outcome(&answer));
        assert!(answer.status.as_u16() < 500, "{}, {title}: {}", case.title(), answer.body);
        outcomes.entry(outcome).or_default().push(title.clone());
        let moved = may_have_changed(operation, &answer);
        if moved || title.contains("disabled") || title.contains("deleted") {
            ground.mend().await;
            names = ground.stage_for(case, &ground.world.acme).await;
        }
        if title == "SysAdmin who is admin, header" {
            let (acme, user) = (ground.world.acme.id, ground.world.sys_admin.id);
            ground
                .sql(format!(
                    "delete from memberships where mandate_id = '{acme}' and user_id = '{user}'"
                ))
                .await;
        }
    }
    let own = outcomes.keys().any(|outcome| outcome.starts_with(&case.status.to_string()));
    assert!(own, "{} succeeds for nobody: {outcomes:#?}", case.title());
    written(operation, case, &outcomes)
}

fn written(operation: &Operation, case: &Case, outcomes: &BTreeMap<String, Vec<String>>) -> String {
    let mut clauses: Vec<String> =
        operation.tables().iter().map(|(table, done)| format!("{table}.{done}")).collect();
    clauses.extend(
        ["user", "sysAdmin", "oneself", "impersonator"]
            .into_iter()
            .filter(|who| operation.admits(who))
            .map(str::to_owned),
    );
    let policy = if operation.is_public() { "public".to_owned() } else { clauses.join(" | ") };
    let mut text =
        format!("{} · {} {} · {policy}\n", case.title(), operation.method, operation.path);
    for (outcome, columns) in outcomes {
        let _ = writeln!(text, "  {outcome:<28} {}", columns.join(" · "));
    }
    text
}

#[test]
fn every_operation_answers_every_kind_of_caller_as_written_down() {
    let rows = on_grounds(async |ground, operation, case| row(ground, operation, case).await);
    super::golden::compare_golden("route_matrix", &rows.join("\n"));
}
