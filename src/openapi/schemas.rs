//! Schemas where what is derived from the types is not what was meant.

use std::collections::BTreeMap;

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOf, ArrayItems, Object, ObjectBuilder, Schema, Type,
};
use utoipa::openapi::{Components, Content, Ref, RefOr};

/// The schema of a page or an outcome holds what it is of once more; generators would make a second
/// type of it.
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

/// A type that is read refuses unknown members, and its schema says so. As a part of an `allOf` it
/// would refuse what the other parts add, so that nothing fitted: such parts are put together into
/// one object.
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

/// Whether an operation's body has a member of this name.
pub(super) fn body_has(
    operation: &Operation,
    name: &str,
    known: &BTreeMap<String, RefOr<Schema>>,
) -> bool {
    let Some(RefOr::T(body)) = &operation.request_body else { return false };
    body.content.values().any(|content| match content {
        RefOr::T(Content { schema: Some(schema), .. }) => has_member(schema, name, known),
        _ => false,
    })
}

fn has_member(schema: &RefOr<Schema>, name: &str, known: &BTreeMap<String, RefOr<Schema>>) -> bool {
    let within = |parts: &[RefOr<Schema>]| parts.iter().any(|part| has_member(part, name, known));
    match schema {
        RefOr::T(Schema::Object(object)) => object.properties.contains_key(name),
        RefOr::T(Schema::AllOf(all)) => within(&all.items),
        RefOr::T(Schema::OneOf(one)) => within(&one.items),
        RefOr::T(_) => false,
        RefOr::Ref(reference) => {
            let target = reference.ref_location.rsplit('/').next().and_then(|name| known.get(name));
            target.is_some_and(|target| has_member(target, name, known))
        }
    }
}

fn is_closed(object: &Object) -> bool {
    matches!(object.additional_properties.as_deref(), Some(AdditionalProperties::FreeForm(false)))
}
