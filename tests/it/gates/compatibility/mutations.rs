//! The check itself: what has to be told is told where it is, and what a client does not notice is
//! not.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{breaks, read};

enum Change {
    Removed(&'static str),
    Set(&'static str, Value),
    /// To a list.
    Added(&'static str, Value),
}

use Change::{Added, Removed, Set};

/// Of the document's paths, what is changed here: all of them would take half a minute.
const PATHS: [&str; 12] = [
    "/access/v1/evaluations",
    "/api/access/check",
    "/api/access/explain",
    "/api/access/me",
    "/api/bookings",
    "/api/bookings/{bookingId}/accept",
    "/api/features",
    "/api/features/my",
    "/api/mandates/{mandateId}/groups",
    "/api/mandates/{mandateId}/groups/{groupId}",
    "/api/users/{userId}",
    "/ping",
];

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document = read("openapi.json");
        document["paths"].as_object_mut().unwrap().retain(|path, _| PATHS.contains(&path.as_str()));
        document
    })
}

fn changed(change: &Change) -> Value {
    let mut document = document().clone();
    let (Removed(pointer) | Set(pointer, _) | Added(pointer, _)) = change;
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let (parent, name) = (parent.to_owned(), name.replace("~1", "/"));
    let holder =
        document.pointer_mut(&parent).unwrap_or_else(|| panic!("the document has no {parent}"));
    match change {
        Removed(_) => match holder {
            Value::Array(items) => drop(items.remove(name.parse().unwrap())),
            other => drop(
                other
                    .as_object_mut()
                    .unwrap()
                    .remove(&name)
                    .unwrap_or_else(|| panic!("there is no {pointer}")),
            ),
        },
        Set(_, value) => match holder {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            other => drop(other.as_object_mut().unwrap().insert(name, value.clone())),
        },
        Added(_, value) => holder[&name].as_array_mut().unwrap().push(value.clone()),
    }
    document
}

fn told(change: &Change) -> Vec<String> {
    breaks(document(), &changed(change)).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn is_told(change: &Change, expected: &str) {
    let told = told(change);
    assert!(told.iter().any(|line| line == expected), "{expected}\nis not among\n{told:#?}");
}

#[track_caller]
fn is_not_told(change: &Change) {
    let told = told(change);
    assert!(told.is_empty(), "{told:#?}");
}

const GROUPS: &str = "/api/mandates/{mandateId}/groups";

#[test]
fn a_removed_field_breaks() {
    is_told(
        &Removed("/components/schemas/Group/properties/memberCount"),
        &format!("GET {GROUPS}/{{groupId}}: answer 200/memberCount is gone"),
    );
    is_told(
        &Removed("/components/schemas/Group/properties/memberCount"),
        &format!("GET {GROUPS}: answer 200/items/[]/memberCount is gone"),
    );
    is_told(
        &Removed("/components/schemas/CreateGroup/properties/description"),
        &format!("POST {GROUPS}: body/description is gone"),
    );
}

#[test]
fn a_new_required_field_breaks() {
    is_told(
        &Added("/components/schemas/CreateGroup/required", json!("kind")),
        &format!("POST {GROUPS}: body/kind is required now"),
    );
}

#[test]
fn a_narrowed_enum_breaks() {
    is_told(
        &Removed("/components/schemas/Operation/enum/3"),
        r#"POST /api/access/explain: body/operation "delete" is not taken any more"#,
    );
    is_told(
        &Set("/components/schemas/CreateGroup/properties/name/enum", json!(["finance"])),
        &format!("POST {GROUPS}: body/name takes only some values now"),
    );
}

#[test]
fn what_goes_away_breaks() {
    is_told(&Removed("/paths/~1ping/get"), "GET /ping: it is gone");
    is_told(&Removed("/paths/~1ping"), "GET /ping: it is gone");
    is_told(&Removed("/paths/~1ping/get/responses/200"), "GET /ping: answer 200 is gone");
    is_told(
        &Removed("/paths/~1api~1features~1my/get/parameters/0"),
        "GET /api/features/my: query parameter lang is gone",
    );
    is_told(
        &Set("/paths/~1ping/get/responses/200/content", json!({ "text/plain": {} })),
        "GET /ping: answer 200 is no longer application/json",
    );
    is_told(
        &Removed("/paths/~1api~1features/post/responses/201/headers/Location"),
        "POST /api/features: answer 201 has no header Location any more",
    );
}

#[test]
fn what_is_called_or_guarded_otherwise_breaks() {
    is_told(
        &Set("/paths/~1ping/get/operationId", json!("ping")),
        r#"GET /ping: operationId was "get_ping" and is "ping": generated clients call it by that"#,
    );
    is_told(
        &Set("/paths/~1ping/get/security", json!([{ "bearer": [] }])),
        r#"GET /ping: security was [] and is [{"bearer":[]}]"#,
    );
    is_told(
        &Set("/components/securitySchemes/bearer", json!({ "type": "http", "scheme": "basic" })),
        concat!(
            r#"every operation: security scheme bearer was {"bearerFormat":"JWT","#,
            r#""description":"An access token from POST /api/auth/login","#,
            r#""scheme":"bearer","type":"http"} and is {"scheme":"basic","type":"http"}"#,
        ),
    );
    is_told(
        &Set("/components/headers/Location/schema/type", json!("integer")),
        "POST /api/features: answer 201, header Location was string and is integer",
    );
    is_told(
        &Removed("/paths/~1api~1users~1{userId}/patch/x-access/anyOf/1"),
        r#"PATCH /api/users/{userId}: x-access no longer has {"principal":"oneself"}"#,
    );
}

#[test]
fn what_is_taken_less_widely_breaks() {
    let name = "/components/schemas/CreateGroup/properties/name";
    for (keyword, value, what) in [
        ("type", json!("integer"), "was string and is integer"),
        ("maxLength", json!(5), "has maxLength 5 instead of none"),
        ("minLength", json!(1), "has minLength 1 instead of none"),
        ("pattern", json!("^a"), r#"has pattern "^a" instead of none"#),
        ("format", json!("email"), r#"has format "email" instead of none"#),
    ] {
        let pointer: &'static str = format!("{name}/{keyword}").leak();
        is_told(&Set(pointer, value), &format!("POST {GROUPS}: body/name {what}"));
    }
    is_told(
        &Set("/components/schemas/CreateGroup/properties/description/type", json!("string")),
        &format!("POST {GROUPS}: body/description must not be null any more"),
    );
    is_told(
        &Set("/components/schemas/CheckAccess/properties/checks/maxItems", json!(50)),
        "POST /api/access/check: body/checks has maxItems 50 instead of 100",
    );
    is_told(
        &Set("/components/schemas/CreateBooking/properties/durationMinutes/minimum", json!(15)),
        "POST /api/bookings: body/durationMinutes has minimum 15 instead of 1",
    );
    is_told(
        &Set("/paths/~1api~1features~1my/get/parameters/0/required", json!(true)),
        "GET /api/features/my: query parameter lang is required now",
    );
    is_told(
        &Set("/paths/~1api~1bookings~1{bookingId}~1accept/post/requestBody/required", json!(true)),
        "POST /api/bookings/{bookingId}/accept: body is required now",
    );
}

#[test]
fn what_is_answered_more_widely_breaks() {
    let at = format!("GET {GROUPS}/{{groupId}}: answer 200");
    let group = "/components/schemas/Group";
    for (part, value, what) in [
        ("properties/name/type", json!(["string", "null"]), "/name may be null now"),
        ("properties/name/type", json!("integer"), "/name was string and is integer"),
        (
            "properties/createdAt/format",
            json!("date"),
            r#"/createdAt has format "date" instead of "date-time""#,
        ),
        ("required", json!(["id"]), "/name may be left out now"),
    ] {
        let pointer: &'static str = format!("{group}/{part}").leak();
        is_told(&Set(pointer, value), &format!("{at}{what}"));
    }
    is_told(
        &Added("/components/schemas/Level/enum", json!("x")),
        r#"GET /api/access/me: answer 200/tables/*/read "x" may be answered now"#,
    );
    is_told(
        &Added("/components/schemas/AuthzenAnswer/oneOf", json!({ "type": "string" })),
        "POST /access/v1/evaluations: answer 200 has another form as choice 3 of 3",
    );
}

#[test]
fn what_no_client_notices_is_not_told() {
    for change in [
        Set(
            "/paths/~1api~1new",
            json!({
                "get": { "operationId": "get_new",
                "responses": { "200": { "description": "New" } } },
            }),
        ),
        Set("/components/schemas/CreateGroup/properties/kind", json!({ "type": "string" })),
        Set("/components/schemas/Group/properties/kind", json!({ "type": "string" })),
        Added("/components/schemas/Group/required", json!("description")),
        Set("/paths/~1ping/get/description", json!("Another description.")),
        Set("/components/schemas/Group/properties/name/description", json!("Another description.")),
        Set("/components/schemas/Group/properties/name/example", json!("bookkeepers")),
        Set(
            "/paths/~1ping/get/parameters",
            json!([{ "name": "loud", "in": "query", "schema": { "type": "boolean" } }]),
        ),
        Set("/paths/~1ping/get/responses/418", json!({ "description": "New" })),
        Added("/components/schemas/Problem/properties/code/enum", json!("brewing")),
        Set("/components/schemas/CheckAccess/properties/checks/maxItems", json!(200)),
        Set("/components/schemas/CreateGroup/properties/name/type", json!(["string", "null"])),
        Set("/components/schemas/Group/properties/name/maxLength", json!(5)),
        Added("/paths/~1api~1users~1{userId}/get/x-access/anyOf", json!({ "principal": "user" })),
    ] {
        is_not_told(&change);
    }
}

#[test]
fn a_reference_and_what_it_leads_to_are_the_same() {
    let schema = document()["components"]["schemas"]["CreateGroup"].clone();
    let pointer = "/paths/~1api~1mandates~1{mandateId}~1groups/post/requestBody/content/\
        application~1json/schema";
    is_not_told(&Set(pointer, schema));
}

/// What several operations share is a part of each of them.
#[test]
fn what_is_behind_a_reference_is_compared() {
    is_told(
        &Set("/components/parameters/limit/schema/maximum", json!(100)),
        "GET /api/features: query parameter limit has maximum 100 instead of 200",
    );
    is_told(
        &Set("/components/responses/Unauthenticated/content", json!({ "text/plain": {} })),
        "GET /api/features: answer 401 is no longer application/problem+json",
    );
    let limit = document()["components"]["parameters"]["limit"].clone();
    is_not_told(&Set("/paths/~1api~1features/get/parameters/0", limit));
}
