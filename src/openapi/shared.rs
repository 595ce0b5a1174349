//! What operations have in common is written once: headers of answers, and parameters that several
//! operations have in the same form. Where a name has several forms, the one that most operations
//! have is shared.

use std::collections::BTreeMap;

use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, Ref, RefOr, Required, Response};

use super::operations;

/// Makes components of it.
pub(super) fn write(document: &mut OpenApi) {
    share_parameters(document);
    share_headers(document);
}

/// How often a parameter has which form, by what it would be called.
type Forms = BTreeMap<String, BTreeMap<String, (usize, Parameter)>>;

fn share_parameters(document: &mut OpenApi) {
    let mut forms = Forms::new();
    for_each(document, |parameter| {
        if let RefOr::T(parameter) = parameter {
            let of_name = forms.entry(name(parameter)).or_default();
            of_name.entry(form(parameter)).or_insert_with(|| (0, parameter.clone())).0 += 1;
        }
    });
    let shared: BTreeMap<String, Parameter> =
        forms.into_iter().filter_map(|(name, forms)| Some((name, most_frequent(forms)?))).collect();
    for_each(document, |parameter| {
        if let RefOr::T(own) = &*parameter {
            let name = name(own);
            if shared.get(&name).is_some_and(|shared| form(shared) == form(own)) {
                let reference = Ref::new(format!("#/components/parameters/{name}"));
                *parameter = RefOr::Ref(reference);
            }
        }
    });
    let components = document.components.get_or_insert_default();
    components.parameters.extend(shared.into_iter().map(|(name, one)| (name, one.into())));
}

fn for_each(document: &mut OpenApi, mut look: impl FnMut(&mut RefOr<Parameter>)) {
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            operation.parameters.iter_mut().flatten().for_each(&mut look);
        }
    }
}

/// A header that has to be sent is another parameter than one that may be left out.
fn name(parameter: &Parameter) -> String {
    let is_header = parameter.parameter_in == ParameterIn::Header;
    if is_header && matches!(parameter.required, Required::True) {
        format!("Required-{}", parameter.name)
    } else {
        parameter.name.clone()
    }
}

fn form(parameter: &Parameter) -> String {
    serde_json::to_string(parameter).unwrap_or_default()
}

fn most_frequent(forms: BTreeMap<String, (usize, Parameter)>) -> Option<Parameter> {
    let (often, parameter) = forms.into_values().max_by_key(|(often, _)| *often)?;
    (often > 1).then_some(parameter)
}

fn share_headers(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let mut shared = BTreeMap::new();
    for response in components.responses.values_mut() {
        refer(response, &mut shared);
    }
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            for response in operation.responses.responses.values_mut() {
                refer(response, &mut shared);
            }
        }
    }
    components.headers.extend(shared);
}

/// A header's name says what it is, wherever it stands.
fn refer(response: &mut RefOr<Response>, shared: &mut BTreeMap<String, RefOr<Header>>) {
    let RefOr::T(response) = response else { return };
    for (name, header) in &mut response.headers {
        let reference = Ref::new(format!("#/components/headers/{name}"));
        let header = std::mem::replace(header, RefOr::Ref(reference));
        shared.entry(name.clone()).or_insert(header);
    }
}
