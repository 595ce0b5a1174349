//! Every typed parameter at the limits of its type, and beyond: each query and path parameter, each
//! number and time in a body, and the versions in `If-Match`, of every operation of the document.
//! Whatever is sent is done or refused as the document tells (every answer is held against it), and
//! never is it a mistake of ours. What cannot be of the type is refused.

use std::sync::OnceLock;

use axum::http::Method;
use serde_json::{Value, json};

use super::cases::{Case, Names, fill};
use super::operations::{Operation, document};
use super::stage::{Approach, Ground, may_have_changed, on_grounds};
use crate::harness::app::Answer;

/// What is tried, and whether it is of the type at all.
type Values = Vec<(String, bool)>;

const WHOLE_NUMBERS: [&str; 20] = [
    "-9223372036854775809",
    "-9223372036854775808",
    "-2147483649",
    "-2147483648",
    "-32769",
    "-32768",
    "-1",
    "0",
    "1",
    "32767",
    "32768",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
];
const NO_NUMBERS: [&str; 6] = ["1e400", "-1e400", "NaN", "1.5", "0x10", "Infinity"];

const TIMES: [&str; 8] = [
    "0001-01-01T00:00:00Z",
    "0001-01-02T00:00:00+23:59",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999999Z",
    "9999-12-30T23:59:59-23:59",
    "2026-06-30T23:59:60Z",
    "1969-12-31T23:59:59.000000001Z",
    "2026-06-30T23:59:59.123456789012Z",
];
const NO_TIMES: [&str; 15] = [
    "-9999-01-01T00:00:00Z",
    "-0001-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:60Z",
    "9999-12-31T23:59:59-00:01",
    "10000-01-01T00:00:00Z",
    "+10000-01-01T00:00:00Z",
    "+262142-12-31T23:59:59Z",
    "infinity",
    "-infinity",
    "now",
    "0",
    "2026-02-30T00:00:00Z",
    "2026-06-30T00:00:00+24:00",
];

const UUIDS: [&str; 2] =
    ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"];
/// The last ones are other spellings of an id, which would be other texts for the same thing.
const NO_UUIDS: [&str; 6] = [
    "not-a-uuid",
    "00000000-0000-0000-0000-00000000000",
    "00000000-0000-0000-0000-0000000000000",
    "{00000000-0000-0000-0000-000000000000}",
    "urn:uuid:00000000-0000-0000-0000-000000000000",
    "00000000000000000000000000000000",
];
const NO_BOOLEANS: [&str; 5] = ["TRUE", "1", "yes", "null", " true"];

/// The versions that `If-Match` may name, of a form and not.
const TAGS: [&str; 9] = [
    "\"0\"",
    "\"-1\"",
    "\"9223372036854775807\"",
    "\"9223372036854775808\"",
    "\"1e9\"",
    "W/\"1\"",
    "*",
    "1",
    "\"1\", \"2\"",
];

fn texts() -> Values {
    let long = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    let all = [
        String::new(),
        " ".to_owned(),
        "-".to_owned(),
        long("x", 6_000),
        long("\u{fdfa}", 2_000),
        long("\u{10ffff}", 2_000),
        "\u{0}".to_owned(),
    ];
    all.into_iter().map(|text| (text, true)).collect()
}

/// By what the document says of a parameter or field.
fn values(schema: &Value) -> Values {
    let these = |of_type: &[&str], others: &[&str]| {
        let fit = of_type.iter().map(|value| ((*value).to_owned(), true));
        fit.chain(others.iter().map(|value| ((*value).to_owned(), false))).collect::<Values>()
    };
    let is = |name: &str| {
        schema["type"] == name
            || schema["type"].as_array().is_some_and(|types| types.contains(&json!(name)))
    };
    match schema["format"].as_str() {
        Some("date-time") => these(&TIMES, &NO_TIMES),
        Some("uuid") => these(&UUIDS, &NO_UUIDS),
        _ if schema["enum"].is_array() => these(&[], &["", "Pending", "no such thing"]),
        _ if is("integer") => these(&WHOLE_NUMBERS, &NO_NUMBERS),
        _ if is("boolean") => these(&["true", "false"], &NO_BOOLEANS),
        _ => texts(),
    }
}

/// One thing to send.
#[derive(Debug)]
struct Probe {
    uri: Option<String>,
    body: Option<String>,
    tag: Option<&'static str>,
    /// What is not has to be refused.
    is_of_the_type: bool,
    /// How such a refusal begins to say what would be.
    form: &'static str,
}

/// What people are told that a value must be, by its schema.
fn form(schema: &Value) -> &'static str {
    match (schema["format"].as_str(), schema["type"].to_string()) {
        (Some("uuid"), _) => "must be a UUID",
        (Some("date-time"), _) => "must be ",
        _ if schema["enum"].is_array() => "must be ",
        (_, kind) if kind.contains("boolean") => "must be true or false",
        (_, kind) if kind.contains("integer") && schema["maximum"] == 200 => {
            "must be a whole number from 1 to 200"
        }
        (_, kind) if kind.contains("integer") => "must be a whole number",
        _ => "",
    }
}

fn encoded(value: &str) -> String {
    // Everything that is not plain, so that a path segment stays one.
    value
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// The uri of a call with one parameter changed.
fn with_query(uri: &str, name: &str, value: &str) -> String {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let others =
        query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name));
    let pairs: Vec<String> =
        others.map(str::to_owned).chain([format!("{name}={}", encoded(value))]).collect();
    format!("{path}?{}", pairs.join("&"))
}

fn with_segment(operation: &Operation, uri: &str, name: &str, value: &str) -> String {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let marker = format!("{{{name}}}");
    let segments = operation.path.split('/').zip(path.split('/'));
    let segments: Vec<String> = segments
        .map(|(known, own)| if known == marker { encoded(value) } else { own.to_owned() })
        .collect();
    if query.is_empty() { segments.join("/") } else { format!("{}?{query}", segments.join("/")) }
}

/// Where a body has numbers, times and ids, with what the document says of them.
fn typed_fields(document: &Value, schema: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    if at.matches('/').count() > 4 {
        return;
    }
    if let Some(name) = schema["$ref"].as_str() {
        return typed_fields(
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
            .for_each(|part| typed_fields(document, part, at, found));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        typed_fields(document, field, &format!("{at}/{name}"), found);
    }
    if schema["items"]["format"] == "uuid" || schema["items"]["$ref"].is_string() {
        typed_fields(document, &schema["items"], &format!("{at}/0"), found);
    }
    let kind = schema["type"].to_string();
    if kind.contains("integer") || kind.contains("number") || is_typed_text(schema) {
        found.push((at.to_owned(), schema.clone()));
    }
}

fn is_typed_text(schema: &Value) -> bool {
    ["date-time", "uuid"].iter().any(|format| schema["format"] == *format)
}

/// The body with another value in one place.
fn with_field(body: &Value, pointer: &str, value: &str, is_text: bool) -> String {
    const MARK: &str = "a place for the value";
    let mut body = body.clone();
    let mut place = &mut body;
    for name in pointer.split('/').skip(1) {
        if name == "0" {
            *place = json!([place[0]]);
            place = &mut place[0];
            continue;
        }
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    *place = json!(MARK);
    let value = if is_text { json!(value).to_string() } else { value.to_owned() };
    body.to_string().replace(&json!(MARK).to_string(), &value)
}

fn probes(document: &Value, operation: &Operation, case: &Case, names: &Names) -> Vec<Probe> {
    let uri = fill(case.uri, names);
    let mut probes = Vec::new();
    for parameter in operation.value["parameters"].as_array().into_iter().flatten() {
        let (name, place) =
            (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
        let form = form(&parameter["schema"]);
        for (value, is_of_the_type) in values(&parameter["schema"]) {
            let uri = match place {
                "query" => with_query(&uri, name, &value),
                // A segment of nothing is another path.
                "path" if !value.is_empty() => with_segment(operation, &uri, name, &value),
                _ => continue,
            };
            probes.push(Probe { uri: Some(uri), body: None, tag: None, is_of_the_type, form });
        }
    }
    if operation.takes_header("If-Match") {
        probes.extend(TAGS.map(|tag| Probe {
            uri: None,
            body: None,
            tag: Some(tag),
            is_of_the_type: true,
            form: "",
        }));
    }
    let body = case
        .body
        .map_or_else(|| json!({}), |body| serde_json::from_str(&fill(body, names)).unwrap());
    let mut fields = Vec::new();
    for content in operation.value["requestBody"]["content"].as_object().into_iter().flatten() {
        typed_fields(document, &content.1["schema"], "", &mut fields);
    }
    for (pointer, schema) in fields {
        let (is_text, form) = (is_typed_text(&schema), form(&schema));
        // Of several questions each answers for itself: one that is wrong is denied.
        let is_denied = operation.id == "evaluate_accesses" && pointer.starts_with("/evaluations/");
        for (value, is_of_the_type) in values(&schema) {
            let is_of_the_type = is_of_the_type || is_denied;
            let body = Some(with_field(&body, &pointer, &value, is_text));
            probes.push(Probe { uri: None, body, tag: None, is_of_the_type, form });
        }
    }
    probes
}

async fn send(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    names: &Names,
    approach: &Approach,
    probe: &Probe,
) -> Answer {
    let uri = probe.uri.clone().unwrap_or_else(|| fill(case.uri, names));
    let mut call = ground.world.app.call(operation.method.clone(), uri);
    if let Some(token) = &approach.token {
        call = call.bearer(token);
    }
    for mandate in &approach.mandate {
        call = call.header("x-mandate-id", mandate);
    }
    if let Some(instance) = case.instance {
        call = call.header("x-instance-id", fill(instance, names));
    }
    if let Some(tag) = probe.tag {
        call = call.header("if-match", tag);
    }
    let body = probe.body.clone().or_else(|| case.body.map(|body| fill(body, names)));
    match body {
        Some(body) => call.raw("application/json", &body).send().await,
        None => call.send().await,
    }
}

async fn at_the_limits(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    let document = DOCUMENT.get_or_init(document);
    let mut approaches = vec![ground.rightful(operation, case)];
    if operation.admits("sysAdmin") && !operation.tables().is_empty() {
        approaches.push(Approach::of(&ground.world.sys_admin));
    }
    let mut asked = 0;
    for (approach, sys_admin_too) in approaches.into_iter().zip([false, true]) {
        let mut names = ground.stage_for(case, &ground.world.acme).await;
        let mut all = probes(document, operation, case, &names);
        for index in 0..all.len() {
            let probe = &all[index];
            let answer = send(ground, operation, case, &names, &approach, probe).await;
            let status = answer.status.as_u16();
            assert!(status < 500, "{}: {probe:.400?}: {status} {}", case.title(), answer.body);
            // (To a SysAdmin a mandate's own things may not be there, whatever is said about them.)
            let refusals = if probe.uri.is_some() { &[400][..] } else { &[400, 422] };
            let is_refused = refusals.contains(&status) || (sys_admin_too && status == 404);
            assert!(
                probe.is_of_the_type || is_refused,
                "{}: {probe:.400?}: {status} {}",
                case.title(),
                answer.body
            );
            let is_told = ["invalid_parameter", "validation_failed"].contains(&answer.code());
            let told = answer.body["detail"].to_string();
            assert!(
                probe.is_of_the_type || !is_told || told.contains(probe.form),
                "{}: {probe:.400?}: {told}",
                case.title()
            );
            asked += 1;
            if may_have_changed(operation, &answer) {
                ground.mend().await;
                names = ground.stage_for(case, &ground.world.acme).await;
                all = probes(document, operation, case, &names);
            }
        }
    }
    asked
}

#[test]
fn no_value_is_beyond_what_is_thought_of() {
    let asked: usize = on_grounds(at_the_limits).into_iter().sum();
    assert!(asked >= 3_000, "only {asked} values were tried");
}

#[tokio::test]
async fn a_time_that_cannot_be_kept_is_no_parameter() {
    let ground = Ground::new().await;
    let (acme, app) = (&ground.world.acme, &ground.world.app);
    for (path, token) in [
        (acme.path("/audit"), &acme.admin.token),
        ("/api/audit".to_owned(), &ground.world.sys_admin.token),
    ] {
        let get = async |query: String| {
            let call = app.call(Method::GET, format!("{path}?{query}")).bearer(token);
            let call = if path == "/api/audit" { call } else { call.mandate(acme.id) };
            call.send().await
        };
        for bound in ["from", "to"] {
            for time in NO_TIMES {
                get(format!("{bound}={}", encoded(time))).await.refused(400, "invalid_parameter");
            }
            for time in TIMES {
                get(format!("{bound}={}", encoded(time))).await.expect(200);
            }
        }
        let all =
            get("from=0001-01-01T00%3A00%3A00Z&to=9999-12-31T23%3A59%3A59Z&limit=200".to_owned())
                .await
                .expect(200);
        assert_eq!(all, get("limit=200".to_owned()).await.expect(200));
    }
}
