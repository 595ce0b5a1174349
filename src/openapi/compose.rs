//! An example of a schema: the one that the schema has, else one that follows from its parts, and
//! at the leaves from what the value is called and what form it has. The same every time.

use serde_json::{Map, Value, json};

use super::words;

/// Knows the schemas that others refer to.
pub(super) struct Composer {
    schemas: Value,
}

impl Composer {
    /// `schemas` are the document's, by name.
    pub(super) fn new(schemas: Value) -> Self {
        Self { schemas }
    }

    /// An example of a schema. `name` is what the value is called where it stands.
    pub(super) fn example(&self, name: &str, schema: &Value) -> Value {
        self.compose(name, schema, &mut Vec::new()).unwrap_or_default()
    }

    /// The schema itself, behind a reference.
    pub(super) fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        target(schema).map_or(schema, |target| self.resolved(&self.schemas[target]))
    }

    /// `None` where the schema leads back to one that is being composed already.
    fn compose<'a>(
        &'a self,
        name: &str,
        schema: &'a Value,
        open: &mut Vec<&'a str>,
    ) -> Option<Value> {
        if let Some(written) = written(schema) {
            return Some(written.clone());
        }
        if let Some(target) = target(schema) {
            return self.behind(name, target, open);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return self.merged(name, parts, open);
        }
        if let Some(alternatives) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            let first = alternatives.iter().find(|alternative| alternative["type"] != "null");
            return first.map_or(Some(Value::Null), |first| self.compose(name, first, open));
        }
        match kind(schema) {
            "object" => Some(self.object(name, schema, open)),
            "array" => {
                Some(self.compose(singular(name), &schema["items"], open).into_iter().collect())
            }
            kind => Some(leaf(name, kind, schema)),
        }
    }

    fn behind<'a>(&'a self, name: &str, target: &'a str, open: &mut Vec<&'a str>) -> Option<Value> {
        if open.contains(&target) {
            return None;
        }
        // `id` and the members of lists are called by their type.
        let called = if name.ends_with("Id") || !target.ends_with("Id") {
            name.to_owned()
        } else {
            lower_first(target)
        };
        open.push(target);
        let composed = self.compose(&called, &self.schemas[target], open);
        open.pop();
        composed
    }

    fn merged<'a>(
        &'a self,
        name: &str,
        parts: &'a [Value],
        open: &mut Vec<&'a str>,
    ) -> Option<Value> {
        let mut members = Map::new();
        for part in parts {
            match self.compose(name, part, open)? {
                Value::Object(more) => members.extend(more),
                other => return Some(other),
            }
        }
        Some(members.into())
    }

    fn object<'a>(&'a self, name: &str, schema: &'a Value, open: &mut Vec<&'a str>) -> Value {
        let mut members = Map::new();
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(composed) = self.compose(property, schema, open) {
                members.insert(property.clone(), composed);
            }
        }
        let others = &schema["additionalProperties"];
        if members.is_empty() && others.as_object().is_some_and(|others| !others.is_empty()) {
            let composed = self.compose(name, others, open);
            members.extend(composed.map(|composed| (words::key(name).to_owned(), composed)));
        }
        members.into()
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

fn leaf(name: &str, kind: &str, schema: &Value) -> Value {
    match kind {
        "boolean" => words::flag(name).into(),
        "integer" | "number" => number(name, schema).into(),
        "string" => text(name, schema),
        _ => Value::Null,
    }
}

fn text(name: &str, schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["format"].as_str().unwrap_or_default() {
        "uuid" => words::id(name).into(),
        "date-time" => words::time(name).into(),
        "date" => json!("2026-01-15"),
        "email" => words::text("email").into(),
        "password" => words::text("password").into(),
        "uri" => json!("https://acme.example/accounting"),
        _ => words::text(name).into(),
    }
}

fn number(name: &str, schema: &Value) -> i64 {
    let least =
        schema["minimum"].as_i64().or(schema["exclusiveMinimum"].as_i64().map(|beyond| beyond + 1));
    let most =
        schema["maximum"].as_i64().or(schema["exclusiveMaximum"].as_i64().map(|beyond| beyond - 1));
    words::number(name).max(least.unwrap_or(i64::MIN)).min(most.unwrap_or(i64::MAX))
}

fn singular(name: &str) -> &str {
    name.strip_suffix("Ids").map_or(name, |_| &name[..name.len() - 1])
}

pub(super) fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_ascii_lowercase().to_string() + characters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(schemas: Value, schema: &Value) -> Value {
        Composer::new(schemas).example("thing", schema)
    }

    #[test]
    fn what_is_written_wins_and_the_rest_follows_from_type_format_and_name() {
        let schema = json!({ "type": "object", "properties": {
            "label": { "type": "string", "example": "Reception" },
            "email": { "type": ["string", "null"] },
            "createdAt": { "type": "string", "format": "date-time" },
            "level": { "type": "string", "enum": ["n", "a"] },
            "size": { "type": "integer", "minimum": 100 },
            "enabled": { "type": "boolean" },
            "purgeAt": { "type": ["string", "null"], "format": "date-time", "example": null },
        }});
        let expected = json!({
            "label": "Reception", "email": "bob@acme.example", "createdAt": "2026-01-15T09:30:00Z",
                "level": "n", "size": 100,
            "enabled": true, "purgeAt": null,
        });
        assert_eq!(example(json!({}), &schema), expected);
    }

    #[test]
    fn references_are_followed_and_composed_schemas_put_together() {
        let schemas = json!({
            "MandateId": { "type": "string", "format": "uuid" },
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
                "tables": { "type": "object",
                    "additionalProperties": { "$ref": "#/components/schemas/Rule" } },
            }},
        ]});
        let acme = words::id("mandateId");
        let expected = json!({
            "id": acme, "mandateId": acme, "mandates": [acme],
            "tables": { "contracts": { "view": true } },
        });
        assert_eq!(example(schemas, &schema), expected);
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        let tree = json!({ "type": "object", "properties": {
            "name": { "type": "string" },
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
