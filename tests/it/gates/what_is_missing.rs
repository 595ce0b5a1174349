//! What a body names and is not there is told: 404 with the place in the body and the kind of
//! thing. The places are found in the document's schemas, by putting there what does not exist:
//! whatever answers 404 then has to point there, and every id has to be looked for. What belongs to
//! another mandate is answered like what does not exist.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::{Value, json};
use uuid::Uuid;

use super::cases::{Case, Names, fill};
use super::operations::{Operation, document};
use super::stage::{Approach, Ground, call, may_have_changed, on_grounds};
use crate::harness::app::Answer;

/// Operations that answer otherwise. May only get longer with a reason.
const EXCUSED: [(&str, &str); 2] = [
    ("evaluate_access", "whoever enforces a policy is given a decision, in AuthZEN's words"),
    ("evaluate_accesses", "whoever enforces a policy is given a decision, in AuthZEN's words"),
];

/// Ids that are not looked for: whose row a question is about may be anybody, and an instance is
/// named with roles of it or not at all (`slices::invitations::inviting`).
const NOT_LOOKED_FOR: [&str; 4] =
    ["/ownerId", "/checks/0/ownerId", "/instances/0/instanceId", "/instances/0/roleIds/0"];

/// An account that is there, and in no mandate that lets anybody act as its members.
const IN_NO_SUCH_MANDATE: &str = "impersonation_not_allowed";

const KINDS: [&str; 4] = ["unknown_user", "unknown_role", "unknown_feature", "unknown_group"];

/// Where a body has a text: a JSON pointer, and whether it is an id.
type Place = (String, bool);

fn places(document: &Value, schema: &Value, at: &str, found: &mut BTreeSet<Place>) {
    if at.matches('/').count() > 4 {
        return;
    }
    if let Some(name) = schema["$ref"].as_str() {
        return places(
            document,
            &document["components"]["schemas"][name.rsplit('/').next().unwrap()],
            at,
            found,
        );
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        schema[key]
            .as_array()
            .into_iter()
            .flatten()
            .for_each(|part| places(document, part, at, found));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        places(document, field, &format!("{at}/{name}"), found);
    }
    if schema["items"].is_object() {
        places(document, &schema["items"], &format!("{at}/0"), found);
    }
    let is_text = schema["type"].to_string().contains("\"string\"") && schema["enum"].is_null();
    if is_text && [&json!("uuid"), &Value::Null].contains(&&schema["format"]) {
        found.insert((at.to_owned(), schema["format"] == "uuid"));
    }
}

/// The body with the value there; of what may be left out, the rest only where it is wanted.
fn with(body: &Value, required: &Value, pointer: &str, value: &str, with_the_rest: bool) -> Value {
    let mut body = body.clone();
    let own = pointer.split('/').nth(1).unwrap_or_default();
    let needed =
        |name: &str| required.as_array().into_iter().flatten().any(|required| required == name);
    body.as_object_mut().unwrap().retain(|name, _| with_the_rest || name == own || needed(name));
    let mut place = &mut body;
    for name in pointer.split('/').skip(1) {
        place = match name.parse::<usize>() {
            Ok(_) if place.is_array() => &mut place[0],
            Ok(_) => {
                *place = json!([null]);
                &mut place[0]
            }
            Err(_) => &mut place[name],
        };
    }
    *place = json!(value);
    body
}

/// The call with another text in one place of its body.
async fn ask(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    names: &Names,
    schema: &Value,
    (pointer, value): (&str, &str),
) -> Answer {
    let rightful = ground.rightful(operation, case);
    let body: Value = serde_json::from_str(&fill(case.body.unwrap_or("{}"), names)).unwrap();
    let send = async |with_the_rest: bool| {
        let body = with(&body, &schema["required"], pointer, value, with_the_rest).to_string();
        call(
            &ground.world.app,
            operation,
            case,
            names,
            &Approach { body: Some(("application/json", body)), ..rightful.clone() },
        )
        .await
    };
    let answer = send(true).await;
    if answer.body["errors"][0]["code"] == "exactly_one" { send(false).await } else { answer }
}

/// What a refusal tells of the place.
fn told(answer: &Answer) -> [Value; 4] {
    ["status", "code", "detail", "errors"].map(|name| answer.body[name].clone())
}

/// Accounts belong to no mandate: the newcomer of one may be a member of another, and SysAdmins
/// know them all.
fn is_known_to_the_platform(answer: &Answer) -> bool {
    answer.status.is_success() || answer.code() == IN_NO_SUCH_MANDATE
}

/// The places of a case's body that name something, as `operation pointer kind`.
async fn naming(ground: &Ground, operation: &Operation, case: &Case) -> Vec<String> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    let document = DOCUMENT.get_or_init(document);
    let (mut found, mut all) = (Vec::new(), BTreeSet::new());
    if EXCUSED.iter().any(|(excused, _)| *excused == operation.id) {
        return found;
    }
    let mut schema = &operation.value["requestBody"]["content"]["application/json"]["schema"];
    places(document, schema, "", &mut all);
    if let Some(name) = schema["$ref"].as_str() {
        schema = &document["components"]["schemas"][name.rsplit('/').next().unwrap()];
    }
    let globex = &ground.world.globex;
    let role = globex.instance_role("playbooks-viewer");
    let strangers = [globex.member.id, globex.role("user"), role];
    for (pointer, is_id) in all {
        // A word of its own for each place: with some, something comes to be called so.
        let word = Uuid::now_v7().to_string();
        let unknown = if is_id { word } else { format!("nothing-{word}") };
        let mut names = ground.stage_for(case, &ground.world.acme).await;
        let answer = ask(ground, operation, case, &names, schema, (&pointer, &unknown)).await;
        let place = format!("{} {pointer}", operation.id);
        if may_have_changed(operation, &answer) {
            ground.mend().await;
        }
        if is_id && NOT_LOOKED_FOR.contains(&pointer.as_str()) {
            continue;
        }
        if answer.status != 404 {
            assert!(!is_id, "{place} names what is not there: {} {}", answer.status, answer.body);
            continue;
        }
        let [error] = &answer.body["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{place}: {}", answer.body))[..]
        else {
            panic!("{place}: {}", answer.body)
        };
        let kind = error["code"].as_str().unwrap();
        assert!(error["pointer"] == pointer && KINDS.contains(&kind), "{place}: {}", answer.body);
        assert!(!answer.body.to_string().contains(&unknown), "{place}: a refusal repeats no value");
        found.push(format!("{place} {kind}"));
        for stranger in strangers.into_iter().filter(|_| is_id) {
            names = ground.stage_for(case, &ground.world.acme).await;
            let foreign =
                ask(ground, operation, case, &names, schema, (&pointer, &stranger.to_string()))
                    .await;
            let is_platform_wide = kind == "unknown_user" && is_known_to_the_platform(&foreign);
            assert!(
                is_platform_wide || told(&foreign) == told(&answer),
                "{place}: {} beside {}",
                foreign.body,
                answer.body
            );
            if may_have_changed(operation, &foreign) {
                ground.mend().await;
            }
        }
    }
    found
}

#[test]
fn what_a_body_names_and_is_not_there_is_told() {
    let found: BTreeSet<String> = on_grounds(naming).into_iter().flatten().collect();
    for known in [
        "add_member /email unknown_user",
        "add_member /roleIds/0 unknown_role",
        "add_member /targetUserId unknown_user",
        "add_member /username unknown_user",
        "check_access /userId unknown_user",
        "create_feature_instance /featureCode unknown_feature",
        "create_feature_instance /grantCreatorRole unknown_role",
        "create_mandate /adminUserId unknown_user",
        "create_template_role /featureCode unknown_feature",
        "explain_access /userId unknown_user",
        "replace_group_members /userIds/0 unknown_user",
        "replace_instance_user_roles /roleIds/0 unknown_role",
        "replace_member_roles /roleIds/0 unknown_role",
    ] {
        assert!(found.contains(known), "{known} is not found among {found:#?}");
    }
}
