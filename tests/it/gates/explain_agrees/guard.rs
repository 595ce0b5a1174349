//! The guard, asked by doing it: for each question a request whose answer shows what was decided.
//! Rows of mandate tables are not really changed: the version that the request believes in is
//! stale, which is told to those only whom the guard let in.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::reference::{CREATE, Question, World};
use super::stage::{Drawn, Stage, Theatre};
use super::worlds::{DELETE, READ, UPDATE};
use crate::harness::Answer;

/// Status and code.
pub type Outcome = (u16, &'static str);

const NOT_FOUND: Outcome = (404, "not_found");
const STALE: Outcome = (412, "precondition_failed");
const DENIED: Outcome = (403, "permission_denied");

/// A request, and what is answered where the guard lets it in.
#[derive(Debug, Clone)]
pub struct Probe {
    method: Method,
    path: String,
    body: Option<Value>,
    let_in: Outcome,
}

/// How rows of a table are called.
struct Kind {
    list: String,
    one: String,
    update: (Method, Value),
    updated: Outcome,
    deleted: Outcome,
    create: Value,
    created: Outcome,
}

/// The request that does what the question asks about; `None` where there is no such request.
pub fn probe(stage: &Stage, asked: &Question, row: Uuid) -> Option<Probe> {
    let kind = if asked.instance.is_some() {
        of_feature(asked, row)?
    } else {
        of_mandate(stage, asked, row)?
    };
    let Kind { list, one, update, updated, deleted, create, created } = kind;
    let known =
        |let_in| if asked.owner.is_some() || asked.table == "mandate" { let_in } else { NOT_FOUND };
    let probe = |method, path, body, let_in| Some(Probe { method, path, body, let_in });
    match asked.operation {
        READ if asked.owner.is_none() || asked.table == "audit" => {
            let of_nothing = asked.table == "playbook_versions";
            probe(Method::GET, list, None, if of_nothing { NOT_FOUND } else { (200, "") })
        }
        READ => probe(Method::GET, one, None, (200, "")),
        CREATE if asked.table == "playbook_versions" => {
            probe(Method::POST, list, Some(create), known(created))
        }
        CREATE => probe(Method::POST, list, Some(create), created),
        UPDATE => probe(update.0, one, Some(update.1), known(updated)),
        _ => probe(Method::DELETE, one, None, known(deleted)),
    }
}

fn of_feature(asked: &Question, row: Uuid) -> Option<Kind> {
    let kind = |list: String, one, update, deleted, create| {
        Some(Kind {
            list,
            one,
            update,
            updated: (200, ""),
            deleted: (deleted, ""),
            create,
            created: (201, ""),
        })
    };
    let (text, content, title) =
        (json!({ "text": row }), json!({ "content": row }), json!({ "title": row }));
    match asked.table {
        "entries" => kind(
            "/api/journal".to_owned(),
            format!("/api/journal/{row}"),
            (Method::PUT, text.clone()),
            204,
            text,
        ),
        "playbooks" => {
            let create = json!({ "name": format!("new {row}"), "title": row });
            kind(
                "/api/playbooks".to_owned(),
                format!("/api/playbooks/{row}"),
                (Method::PATCH, title),
                200,
                create,
            )
        }
        "playbook_versions" => {
            let list = format!("/api/playbooks/{row}/versions");
            kind(list.clone(), format!("{list}/1"), (Method::PUT, content.clone()), 200, content)
        }
        _ => None,
    }
}

fn of_mandate(stage: &Stage, asked: &Question, row: Uuid) -> Option<Kind> {
    let mandate = format!("/api/mandates/{}", asked.mandate);
    let own = asked.owner.and_then(|owner| stage.own.get(&(asked.mandate, owner)));
    if asked.owner.is_some() && own.is_none() && !["mandate", "audit"].contains(&asked.table) {
        return None; // no member, so no row
    }
    let kind = |list: String, one: String, update: Value, create: Value, created| {
        Some(Kind {
            list,
            one,
            update: (Method::PATCH, update),
            updated: STALE,
            deleted: STALE,
            create,
            created,
        })
    };
    let (name, label) = (json!({ "name": row }), json!({ "label": row }));
    match (asked.table, asked.operation) {
        ("mandate", READ | UPDATE) => kind(mandate.clone(), mandate, name, Value::Null, (201, "")),
        ("members", _) => {
            let (list, body) =
                (format!("{mandate}/users"), json!({ "targetUserId": row, "roleIds": [row] }));
            let one = format!("{list}/{}", asked.owner.unwrap_or(row));
            kind(list, one, json!({ "enabled": true }), body, NOT_FOUND)
        }
        ("groups", _) => {
            let list = format!("{mandate}/groups");
            let one = format!("{list}/{}", own.map_or(row, |own| own.group));
            kind(list, one, name.clone(), name, (201, ""))
        }
        ("roles", _) => {
            let one = format!("/api/roles/{}", own.map_or(row, |own| own.role));
            kind(format!("{mandate}/roles"), one, label.clone(), label, (201, ""))
        }
        ("instances", _) => {
            let list = "/api/features/instances".to_owned();
            let one = format!("{list}/{}", own.map_or(row, |own| own.instance));
            kind(list, one, label, json!({ "featureCode": "none-such", "label": row }), NOT_FOUND)
        }
        ("audit", READ) => {
            let of_owner = asked.owner.map(|owner| format!("&actorId={owner}")).unwrap_or_default();
            kind(
                format!("{mandate}/audit?limit=1{of_owner}"),
                String::new(),
                Value::Null,
                Value::Null,
                NOT_FOUND,
            )
        }
        _ => None,
    }
}

/// Why somebody does not come in at all: account, mandate, instance.
pub fn context_refusal(
    world: &World,
    user: Uuid,
    mandate: Uuid,
    instance: Option<Uuid>,
) -> Option<Outcome> {
    if !world.users.contains(&(user, true)) {
        return Some((401, "unauthenticated"));
    }
    if !world.is_alive(user, mandate, None) {
        return Some((403, "mandate_access_denied"));
    }
    (!world.is_alive(user, mandate, instance)).then_some((403, "instance_access_denied"))
}

/// What the guard has to answer, going by the reference.
fn expected(world: &World, asked: &Question, let_in: Outcome) -> Outcome {
    if let Some(refusal) = context_refusal(world, asked.user, asked.mandate, asked.instance) {
        return refusal;
    }
    if (asked.table, asked.operation, asked.owner) == ("members", DELETE, Some(asked.user)) {
        return let_in; // everybody may leave
    }
    let (level, allowed) = world.answer(asked);
    if level == 0 {
        return DENIED;
    }
    // Who works with what is in a playbook must be able to read the playbook; both are the same
    // owner's here.
    let parent = world.answer(&Question { table: "playbooks", operation: READ, ..*asked });
    let of_parent = asked.table == "playbook_versions";
    let seen = world.answer(&Question { operation: READ, ..*asked }).1 || asked.operation == CREATE;
    if of_parent && parent.0 == 0 {
        return DENIED;
    }
    // A list leaves out what the level does not reach, and what is made beside others is the
    // caller's.
    let of_no_row = asked.owner.is_none()
        || asked.table == "audit"
        || (asked.operation == CREATE && !of_parent);
    if !of_no_row && (!seen || (of_parent && !parent.1)) {
        return NOT_FOUND;
    }
    if of_no_row || allowed { let_in } else { DENIED }
}

/// Does it, and compares; what was answered is returned for counting.
pub async fn compare(theatre: &Theatre, stage: &Stage, drawn: &Drawn) -> Outcome {
    let (asked, probe) = (&drawn.question, &drawn.probe);
    let expected = expected(&stage.world, asked, probe.let_in);
    let answer = send(theatre, drawn).await;
    let code = if answer.status.is_success() { "" } else { answer.code() };
    assert_eq!((answer.status.as_u16(), code), expected, "the guard of {drawn}: {}", answer.body);
    if asked.table == "audit" && answer.status.is_success() {
        let allowed = stage.world.answer(asked).1;
        assert_eq!(
            answer.body["items"] != json!([]),
            allowed,
            "the events of {drawn}: {}",
            answer.body
        );
    }
    if asked.instance.is_some() && answer.status == 201 {
        assert_eq!(
            answer.body["ownerId"],
            json!(asked.user),
            "whose is what {drawn} made: {}",
            answer.body
        );
    }
    expected
}

async fn send(theatre: &Theatre, drawn: &Drawn) -> Answer {
    let (asked, probe) = (&drawn.question, &drawn.probe);
    let call = theatre
        .app
        .call(probe.method.clone(), &probe.path)
        .bearer(&theatre.token(asked.user))
        .mandate(asked.mandate);
    let call = if let Some(instance) = asked.instance.filter(|_| !drawn.bare) {
        call.instance(instance)
    } else {
        call
    };
    let call = if let Some(body) = &probe.body { call.json(body.clone()) } else { call };
    let in_vain = probe.let_in == STALE;
    if in_vain { call.header("if-match", "\"999\"").send().await } else { call.send().await }
}
