//! Bodies: which fields there are, and what they may hold.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::call::{Body, Call};
use super::reply::Refusal;
use super::world::{Permissions, Rule, Texts, access::OPERATIONS};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    Whole,
    Id,
    Ids,
    Texts,
    /// Texts, and null for those that go.
    TextPatches,
    Names,
    Object,
    Objects,
    Rules,
    RulePatches,
    Flags,
    FlagsOrNull,
    Limits,
}

/// A field of a body.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub nullable: bool,
}

pub const fn needs(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true, nullable: false }
}
/// May be left out, or null.
pub const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false, nullable: true }
}
/// May be left out, but not null.
pub const fn may_but_null(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false, nullable: false }
}

/// The body's fields, where they are of this shape: 415, 400 and 422 as the contract says.
pub fn shaped<'a>(call: &'a Call, fields: &[Field]) -> Result<&'a Map<String, Value>, Refusal> {
    match &call.body {
        Body::Raw("application/json", _) => Err(Refusal::of(400, "malformed_json")),
        Body::Nothing | Body::Raw(..) => Err(Refusal::of(415, "unsupported_media_type")),
        Body::Json(Value::Object(body)) => fitting(body, fields),
        Body::Json(_) => Err(Refusal::invalid()),
    }
}

/// The same where the body may be left out.
pub fn shaped_if_any<'a>(
    call: &'a Call,
    fields: &[Field],
) -> Result<Option<&'a Map<String, Value>>, Refusal> {
    if matches!(call.body, Body::Nothing) { Ok(None) } else { shaped(call, fields).map(Some) }
}

pub fn fitting<'a>(
    body: &'a Map<String, Value>,
    fields: &[Field],
) -> Result<&'a Map<String, Value>, Refusal> {
    // The first that is wrong is told, in the order in which they are sent; then what is missing.
    for (name, value) in body {
        let field = fields.iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| Refusal::of(422, "unknown_field"))?;
        if !(field.nullable && value.is_null()) {
            fits(value, field.kind)?;
        }
    }
    if fields.iter().any(|field| field.required && !body.contains_key(field.name)) {
        return Err(Refusal::invalid());
    }
    Ok(body)
}

fn fits(value: &Value, kind: Kind) -> Result<(), Refusal> {
    let each_is =
        |test: fn(&Value) -> bool| value.as_array().is_some_and(|items| items.iter().all(test));
    let values_are =
        |test: fn(&Value) -> bool| value.as_object().is_some_and(|map| map.values().all(test));
    let fine = match kind {
        Kind::Text => value.is_string(),
        Kind::Flag => value.is_boolean(),
        Kind::Whole => value.is_i64(),
        Kind::Id => is_id(value),
        Kind::Ids => each_is(is_id),
        Kind::Names => each_is(Value::is_string),
        Kind::Texts => values_are(Value::is_string),
        Kind::TextPatches => values_are(|value| value.is_string() || value.is_null()),
        Kind::Object => value.is_object(),
        Kind::Objects => each_is(Value::is_object),
        Kind::Flags => values_are(Value::is_boolean),
        Kind::FlagsOrNull => values_are(|value| value.is_boolean() || value.is_null()),
        Kind::Limits => return each_limit(value),
        Kind::Rules => return each_rule(value, false),
        Kind::RulePatches => return each_rule(value, true),
    };
    if fine { Ok(()) } else { Err(Refusal::invalid()) }
}

fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<Uuid>().is_ok())
}

const CLASSES: [&str; 8] =
    ["read", "list-mandates", "member-write", "write", "auth", "check", "work", "default"];

fn each_limit(value: &Value) -> Result<(), Refusal> {
    let limits = value.as_object().ok_or_else(Refusal::invalid)?;
    if limits.keys().any(|class| !CLASSES.contains(&class.as_str())) {
        return Err(Refusal::of(422, "unknown_field"));
    }
    let fine = limits.values().all(|limit| {
        limit.as_u64().is_some_and(|limit| (1..=u64::from(u32::MAX)).contains(&limit))
    });
    if fine { Ok(()) } else { Err(Refusal::invalid()) }
}

fn each_rule(value: &Value, patch: bool) -> Result<(), Refusal> {
    for rule in value.as_object().ok_or_else(Refusal::invalid)?.values() {
        if patch && rule.is_null() {
            continue;
        }
        let rule = rule.as_object().ok_or_else(Refusal::invalid)?;
        if rule.keys().any(|name| name != "view" && !OPERATIONS.contains(&name.as_str())) {
            return Err(Refusal::of(422, "unknown_field"));
        }
        let level = |name: &str| rule.get(name).is_some_and(|value| level_of(value).is_some());
        let fine = |name: &str| {
            if name == "view" { rule.get(name).is_some_and(Value::is_boolean) } else { level(name) }
        };
        let names = std::iter::once("view").chain(OPERATIONS);
        if !names.into_iter().all(|name| fine(name) || (patch && !rule.contains_key(name))) {
            return Err(Refusal::invalid());
        }
    }
    Ok(())
}

fn level_of(value: &Value) -> Option<u8> {
    let place = ["n", "m", "g", "a"].iter().position(|letter| Some(*letter) == value.as_str())?;
    u8::try_from(place).ok()
}

/// The rule that a patch makes of another; for a whole rule, of none.
pub fn patched(rule: Rule, patch: &Value) -> Rule {
    let level = |op: usize| level_of(&patch[OPERATIONS[op]]).unwrap_or(rule.levels[op]);
    Rule { view: patch["view"].as_bool().unwrap_or(rule.view), levels: std::array::from_fn(level) }
}

/// The permissions of a body that has the right shape.
pub fn permissions(body: &Map<String, Value>) -> Permissions {
    let entries =
        |name: &str| body.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    Permissions {
        tables: entries("tables")
            .into_iter()
            .map(|(table, rule)| (table, patched(Rule::default(), &rule)))
            .collect(),
        views: entries("views")
            .into_iter()
            .map(|(view, allowed)| (view, allowed == true))
            .collect(),
    }
}

pub fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}
/// A text that may be cleared: left out, null, or a text.
pub fn clearable(body: &Map<String, Value>, name: &str) -> Option<Option<String>> {
    body.get(name).map(|value| value.as_str().map(str::to_owned))
}
pub fn flag(body: &Map<String, Value>, name: &str) -> Option<bool> {
    body.get(name).and_then(Value::as_bool)
}
pub fn whole(body: &Map<String, Value>, name: &str) -> Option<i64> {
    body.get(name).and_then(Value::as_i64)
}
pub fn id(body: &Map<String, Value>, name: &str) -> Option<Uuid> {
    text(body, name).and_then(|text| text.parse().ok())
}
pub fn ids(body: &Map<String, Value>, name: &str) -> std::collections::BTreeSet<Uuid> {
    body[name].as_array().unwrap().iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect()
}
/// Where a list of ids first names each of those that are not known.
pub fn unknown_among(
    body: &Map<String, Value>,
    name: &str,
    is_known: impl Fn(Uuid) -> bool,
) -> Vec<String> {
    let ids: Vec<Uuid> = body[name]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().parse().unwrap())
        .collect();
    let first =
        ids.iter().enumerate().filter(|(index, id)| !ids[..*index].contains(id) && !is_known(**id));
    first.map(|(index, _)| format!("/{name}/{index}")).collect()
}
pub fn texts(body: &Map<String, Value>, name: &str) -> Option<Texts> {
    let map = body.get(name)?.as_object()?;
    Some(
        map.iter()
            .map(|(language, text)| (language.clone(), text.as_str().unwrap().to_owned()))
            .collect(),
    )
}
/// The texts that a patch makes of others: what it does not name stays.
pub fn merged(mut before: Texts, patch: &Map<String, Value>) -> Texts {
    for (language, text) in patch {
        match text.as_str() {
            Some(text) => before.insert(language.clone(), text.to_owned()),
            None => before.remove(language),
        };
    }
    before
}
pub fn names(body: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    Some(body.get(name)?.as_array()?.iter().map(|name| name.as_str().unwrap().to_owned()).collect())
}

/// Names, labels, titles and topics: trimmed, not blank, at most 200 characters.
pub fn named(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    let Some(text) = text(body, name) else { return Ok(None) };
    let trimmed = text.trim();
    let fine = !trimmed.is_empty()
        && trimmed.chars().count() <= 200
        && !trimmed.chars().any(char::is_control);
    if fine { Ok(Some(trimmed.to_owned())) } else { Err(Refusal::invalid()) }
}
/// Descriptions and notes: at most 4,000 characters.
pub fn described(text: Option<&str>) -> Result<(), Refusal> {
    if text.is_some_and(|text| text.chars().count() > 4_000) {
        Err(Refusal::invalid())
    } else {
        Ok(())
    }
}
/// Language tags, as far as the ones that are played need it.
pub fn language(body: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let Some(tag) = text(body, "language") else { return Ok(None) };
    if (2..=3).contains(&tag.len()) { Ok(Some(tag.to_owned())) } else { Err(Refusal::invalid()) }
}
/// Codes of mandates: letters, digits and `-`, which neither begins nor ends it; in small letters.
pub fn code(body: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let Some(code) = text(body, "code").map(|code| code.trim().to_lowercase()) else {
        return Ok(None);
    };
    let letters =
        code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let fine =
        (1..=64).contains(&code.len()) && letters && !code.starts_with('-') && !code.ends_with('-');
    if fine { Ok(Some(code)) } else { Err(Refusal::invalid()) }
}
