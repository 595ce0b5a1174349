//! Members of answers. What may be null there is always there, and what may be missing is never
//! null: readers have one question to ask of a member, not two, and so have the types that
//! generators make.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::schema::{Object, Schema, SchemaType, Type};
use utoipa::openapi::{OpenApi, RefOr};

use super::compose::target;

/// Says so of the schemas that only answers have.
pub(super) fn require_nullable_members(document: &mut OpenApi) {
    let read = named_by_bodies(document);
    let Some(components) = &mut document.components else { return };
    for (name, schema) in &mut components.schemas {
        if !read.contains(name) {
            objects(schema).into_iter().for_each(require);
        }
    }
}

fn require(object: &mut Object) {
    for (name, member) in &object.properties {
        if is_nullable(member) && !object.required.contains(name) {
            object.required.push(name.clone());
        }
    }
}

/// A schema's own members: itself, or the parts that it is put together from.
fn objects(schema: &mut RefOr<Schema>) -> Vec<&mut Object> {
    match schema {
        RefOr::T(Schema::Object(object)) => vec![object],
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}

fn is_nullable(schema: &RefOr<Schema>) -> bool {
    match schema {
        RefOr::T(Schema::Object(object)) => is_null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => is_null(&array.schema_type),
        RefOr::T(Schema::OneOf(one)) => one.items.iter().any(is_nullable),
        _ => false,
    }
}

fn is_null(kind: &SchemaType) -> bool {
    match kind {
        SchemaType::Type(kind) => *kind == Type::Null,
        SchemaType::Array(kinds) => kinds.contains(&Type::Null),
        SchemaType::AnyValue => false,
    }
}

/// The schemas that bodies of requests are made of.
fn named_by_bodies(document: &OpenApi) -> BTreeSet<String> {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut names = BTreeSet::new();
    for operation in document["paths"]
        .as_object()
        .into_iter()
        .flat_map(|paths| paths.values())
        .filter_map(Value::as_object)
        .flatten()
    {
        collect(&operation.1["requestBody"], &document["components"]["schemas"], &mut names);
    }
    names
}

fn collect(value: &Value, schemas: &Value, names: &mut BTreeSet<String>) {
    if let Some(name) = target(value)
        && names.insert(name.to_owned())
    {
        collect(&schemas[name], schemas, names);
    }
    match value {
        Value::Object(members) => {
            members.values().for_each(|member| collect(member, schemas, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, schemas, names)),
        _ => {}
    }
}
