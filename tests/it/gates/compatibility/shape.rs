//! A schema without the ways of writing it: references followed, the parts of an `allOf` put
//! together, null told apart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

#[derive(Debug, Clone, Default)]
pub struct Shape<'a> {
    /// Without null; none where any is allowed.
    pub kinds: BTreeSet<&'a str>,
    pub nullable: bool,
    /// The choices of a `oneOf` or `anyOf` with more than one beside null.
    pub choices: Vec<&'a Value>,
    pub properties: BTreeMap<&'a str, &'a Value>,
    pub required: BTreeSet<&'a str>,
    /// What members without a name of their own may be; none where they may be anything.
    pub others: Option<&'a Value>,
    pub items: Option<&'a Value>,
    pub values: Option<Vec<&'a Value>>,
    /// Everything else that narrows: lengths, bounds, patterns, formats.
    pub limits: BTreeMap<&'a str, &'a Value>,
}

const LIMITS: [&str; 14] = [
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "uniqueItems",
    "pattern",
    "format",
];

impl<'a> Shape<'a> {
    pub fn of(document: &'a Value, schema: &'a Value) -> Self {
        let mut shape = Self::default();
        shape.add(document, schema);
        shape
    }

    fn add(&mut self, document: &'a Value, schema: &'a Value) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = document.pointer(reference.trim_start_matches('#'));
            self.add(document, target.unwrap_or_else(|| panic!("{reference} leads nowhere")));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.add(document, part);
        }
        self.add_choices(document, schema);
        self.add_kinds(schema);
        self.properties.extend(
            schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.as_str(), schema)),
        );
        self.required
            .extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
        self.others =
            schema.get("additionalProperties").filter(|others| **others != true).or(self.others);
        self.items = schema.get("items").or(self.items);
        let values = schema["enum"].as_array().map(|values| values.iter().collect());
        self.values = values
            .or_else(|| schema.get("const").map(|only| vec![only]))
            .or_else(|| self.values.take());
        self.limits.extend(LIMITS.iter().filter_map(|limit| Some((*limit, schema.get(limit)?))));
    }

    fn add_kinds(&mut self, schema: &'a Value) {
        let named = schema["type"]
            .as_array()
            .map_or_else(|| vec![&schema["type"]], |kinds| kinds.iter().collect());
        for kind in named.into_iter().filter_map(Value::as_str) {
            if kind == "null" {
                self.nullable = true;
            } else {
                self.kinds.insert(kind);
            }
        }
    }

    fn add_choices(&mut self, document: &'a Value, schema: &'a Value) {
        let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) else {
            return;
        };
        let (nulls, others): (Vec<&Value>, Vec<&Value>) =
            choices.iter().partition(|choice| choice["type"] == "null");
        self.nullable |= !nulls.is_empty();
        match others.as_slice() {
            [only] => self.add(document, only),
            several => self.choices.extend(several),
        }
    }

    /// Whether it says anything at all.
    pub fn is_open(&self) -> bool {
        self.kinds.is_empty()
            && self.choices.is_empty()
            && self.values.is_none()
            && self.properties.is_empty()
    }
}
