//! An example of a schema: the one that the schema has, else one that follows from its parts. A
//! text has one of its own, at its field or its type; what else is a leaf may have the usual one.

use serde_json::{Map, Value};

/// Knows the schemas that others refer to.
pub(super) struct Composer {
    schemas: Value,
}

/// What an example is of. What may be missing stands in the example of a body, to be seen; in that
/// of an answer it is missing, since it mostly belongs to another case (`deletedAt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Sent,
    Answered,
}

/// The schemas that lead to the one that is being composed.
type Open<'a> = Vec<&'a str>;

impl Composer {
    /// `schemas` are the document's, by name.
    pub(super) fn new(schemas: Value) -> Self {
        Self { schemas }
    }

    pub(super) fn example(&self, part: Part, schema: &Value) -> Value {
        self.compose(part, schema, &mut Open::new()).unwrap_or_default()
    }

    /// The schema itself, behind a reference.
    pub(super) fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        target(schema).map_or(schema, |target| self.resolved(&self.schemas[target]))
    }

    /// `None` where the schema leads back to one that is being composed already.
    fn compose<'a>(&'a self, part: Part, schema: &'a Value, open: &mut Open<'a>) -> Option<Value> {
        if let Some(written) = written(schema) {
            return Some(written.clone());
        }
        if let Some(target) = target(schema) {
            return self.behind(part, target, open);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return self.merged(part, parts, open);
        }
        if let Some(alternatives) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            let first = alternatives.iter().find(|alternative| alternative["type"] != "null");
            return first.map_or(Some(Value::Null), |first| self.compose(part, first, open));
        }
        match kind(schema) {
            "object" => Some(self.object(part, schema, open)),
            "array" => Some(self.compose(part, &schema["items"], open).into_iter().collect()),
            kind => Some(usual(kind, schema)),
        }
    }

    fn behind<'a>(&'a self, part: Part, target: &'a str, open: &mut Open<'a>) -> Option<Value> {
        if open.contains(&target) {
            return None;
        }
        open.push(target);
        let composed = self.compose(part, &self.schemas[target], open);
        open.pop();
        composed
    }

    fn merged<'a>(&'a self, part: Part, parts: &'a [Value], open: &mut Open<'a>) -> Option<Value> {
        let mut members = Map::new();
        for schema in parts {
            match self.compose(part, schema, open)? {
                Value::Object(more) => members.extend(more),
                other => return Some(other),
            }
        }
        Some(members.into())
    }

    fn object<'a>(&'a self, part: Part, schema: &'a Value, open: &mut Open<'a>) -> Value {
        let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
        let is_shown = |name: &String| part == Part::Sent || required.iter().any(|it| *it == name);
        let properties = schema["properties"].as_object().into_iter().flatten();
        let shown = properties.filter(|(name, _)| is_shown(name));
        let composed = shown.filter_map(|(name, schema)| {
            self.compose(part, schema, open).map(|composed| (name.clone(), composed))
        });
        composed.collect::<Map<_, _>>().into()
    }
}

/// The example that stands in a schema.
pub(super) fn written(schema: &Value) -> Option<&Value> {
    schema
        .get("example")
        .or_else(|| schema["examples"].get(0))
        .or_else(|| schema.get("default"))
        .or_else(|| schema.get("const"))
}

/// The name behind a `$ref`.
pub(super) fn target(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

/// A schema's type; the one beside null, where it has several.
pub(super) fn kind(schema: &Value) -> &str {
    let named = schema["type"]
        .as_array()
        .and_then(|kinds| kinds.iter().find(|kind| *kind != "null"))
        .unwrap_or(&schema["type"]);
    named.as_str().unwrap_or("object")
}

/// What is usual for a type: the first of several words, a flag that is not set, the least number
/// from 1 on. Nothing is usual for a text.
fn usual(kind: &str, schema: &Value) -> Value {
    match (kind, schema["format"].as_str()) {
        ("boolean", _) => false.into(),
        ("integer" | "number", _) => least(schema).into(),
        ("string", Some("uuid")) => "01900000-0000-7000-8000-000000000001".into(),
        ("string", Some("date-time")) => "2026-01-15T09:30:00Z".into(),
        // Null where there are none: the gates find it.
        _ => schema["enum"][0].clone(),
    }
}

fn least(schema: &Value) -> i64 {
    let beyond = schema["exclusiveMinimum"].as_i64().map(|beyond| beyond + 1);
    schema["minimum"].as_i64().or(beyond).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn example(schemas: Value, schema: &Value) -> Value {
        Composer::new(schemas).example(Part::Sent, schema)
    }

    #[test]
    fn what_is_written_wins_and_the_rest_is_what_is_usual_for_its_type() {
        let schema = json!({ "type": "object", "properties": {
            "label": { "type": "string", "example": "Reception" },
            "email": { "type": ["string", "null"], "examples": ["bob@acme.example"] },
            "createdAt": { "type": "string", "format": "date-time" },
            "level": { "type": "string", "enum": ["n", "a"] },
            "version": { "type": "integer" },
            "size": { "type": "integer", "minimum": 100 },
            "total": { "type": "integer", "minimum": 0 },
            "enabled": { "type": "boolean" },
            "tables": { "type": "object", "additionalProperties": { "type": "string" },
                "example": { "contracts": "a" } },
            "purgeAt": { "type": ["string", "null"], "format": "date-time", "example": null },
        }});
        let expected = json!({
            "label": "Reception", "email": "bob@acme.example", "createdAt": "2026-01-15T09:30:00Z",
            "level": "n", "version": 1, "size": 100, "total": 1, "enabled": false,
            "tables": { "contracts": "a" }, "purgeAt": null,
        });
        assert_eq!(example(json!({}), &schema), expected);
    }

    #[test]
    fn references_are_followed_and_composed_schemas_put_together() {
        let acme = "01900000-0000-7000-8000-00000000b001";
        let schemas = json!({
            "MandateId": { "type": "string", "format": "uuid", "example": acme },
            "Rule": { "type": "object", "properties": { "view": { "type": "boolean" } } },
        });
        let schema = json!({ "allOf": [
            { "type": "object", "properties": {
                "id": { "$ref": "#/components/schemas/MandateId" },
                "mandateId": { "oneOf": [{ "type": "null" },
                    { "$ref": "#/components/schemas/MandateId" }] },
                "mandates": { "type": "array",
                    "items": { "$ref": "#/components/schemas/MandateId" } },
            }},
            { "type": "object", "properties": {
                "rule": { "$ref": "#/components/schemas/Rule" },
            }},
        ]});
        let expected = json!({
            "id": acme, "mandateId": acme, "mandates": [acme], "rule": { "view": false },
        });
        assert_eq!(example(schemas, &schema), expected);
    }

    #[test]
    fn an_answer_is_shown_without_what_may_be_missing() {
        let schema = json!({ "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string", "example": "Acme" },
            "deletedAt": { "type": "string", "format": "date-time" },
        }});
        let composed = Composer::new(json!({})).example(Part::Answered, &schema);
        assert_eq!(composed, json!({ "name": "Acme" }));
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        let tree = json!({ "type": "object", "properties": {
            "name": { "type": "string", "example": "Acme" },
            "children": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } },
            "parent": { "$ref": "#/components/schemas/Tree" },
        }});
        let schema = json!({ "$ref": "#/components/schemas/Tree" });
        assert_eq!(
            example(json!({ "Tree": tree }), &schema),
            json!({ "name": "Acme", "children": [] })
        );
    }
}
