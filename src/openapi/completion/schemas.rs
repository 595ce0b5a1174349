//! Schemas where what is derived from the types is not what was meant.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOf, ArrayItems, Object, ObjectBuilder, Schema, Type,
};
use utoipa::openapi::{Components, Content, Ref, RefOr};

/// The schema of a page or an outcome holds what it is of once more; generators would make a second type of it.
pub(super) fn name_what_is_held(components: &mut Components) {
    let known: Vec<String> = components.schemas.keys().cloned().collect();
    for name in &known {
        let Some((holder, held)) =
            name.split_once('_').filter(|(_, held)| known.iter().any(|known| known == held))
        else {
            continue;
        };
        let held = Ref::from_schema_name(held).into();
        match (holder, components.schemas.get_mut(name)) {
            ("Page", Some(RefOr::T(Schema::Object(page)))) => {
                if let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items") {
                    items.items = ArrayItems::RefOrSchema(Box::new(held));
                }
            }
            ("Outcome", Some(RefOr::T(Schema::OneOf(outcome)))) => {
                outcome.items.splice(..1, [held]).for_each(drop);
            }
            _ => {}
        }
    }
}

/// A type that is read refuses unknown members, and its schema says so. As a part of an `allOf` it would refuse what the other
/// parts add, so that nothing fitted: such parts are put together into one object.
pub(super) fn join_closed_parts(components: &mut Components) {
    let known = components.schemas.clone();
    for schema in components.schemas.values_mut() {
        let RefOr::T(Schema::AllOf(all)) = schema else { continue };
        if let Some(joined) = joined(all, &known) {
            *schema = Schema::from(joined).into();
        }
    }
}

fn joined(all: &AllOf, known: &BTreeMap<String, RefOr<Schema>>) -> Option<Object> {
    let parts: Vec<&Object> =
        all.items.iter().map(|part| object(part, known)).collect::<Option<_>>()?;
    if parts.len() < 2 || !parts.iter().any(|part| is_closed(part)) {
        return None;
    }
    let mut joined =
        ObjectBuilder::new().schema_type(Type::Object).description(all.description.clone()).build();
    joined.example.clone_from(&all.example);
    for part in parts {
        joined.properties.extend(part.properties.clone());
        joined.required.extend(part.required.clone());
    }
    Some(joined)
}

fn object<'a>(
    part: &'a RefOr<Schema>,
    known: &'a BTreeMap<String, RefOr<Schema>>,
) -> Option<&'a Object> {
    match part {
        RefOr::T(Schema::Object(object)) => Some(object),
        RefOr::Ref(reference) => {
            object(known.get(reference.ref_location.rsplit('/').next()?)?, known)
        }
        RefOr::T(_) => None,
    }
}

/// The names of the schemas that have a member of this name.
pub(super) fn with_member(name: &str, components: &Components) -> BTreeSet<String> {
    let has = |schema: &RefOr<Schema>| {
        object(schema, &components.schemas)
            .is_some_and(|object| object.properties.contains_key(name))
    };
    components
        .schemas
        .iter()
        .filter(|(_, schema)| has(schema))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Whether an operation's body is of one of these schemas.
pub(super) fn body_names(operation: &Operation, schemas: &BTreeSet<String>) -> bool {
    let Some(RefOr::T(body)) = &operation.request_body else { return false };
    body.content.values().any(|content| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(reference)), .. }) => {
            schemas.iter().any(|name| is_to(reference, name))
        }
        _ => false,
    })
}

fn is_to(reference: &Ref, name: &str) -> bool {
    reference.ref_location.rsplit('/').next() == Some(name)
}

fn is_closed(object: &Object) -> bool {
    matches!(object.additional_properties.as_deref(), Some(AdditionalProperties::FreeForm(false)))
}
