//! Refuses names that mean nothing, so that a misspelt setting does not silently keep its default.

use figment::value::{Dict, Value};

use super::Settings;
use super::reader::{Environment, one_line};
use super::table::{config_file, known_variables};

/// Every variable that begins so is meant for the service.
pub(super) const PREFIX: &str = "BAILIWICK_";

pub(super) fn variables(environment: &Environment) -> Vec<String> {
    let known = known_variables();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    (environment.iter())
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| {
            if is_service_link(name, value.as_deref()) {
                format!(
                    "unknown setting `{}`: Kubernetes sets it for a Service of that name; \
                     give the pod `enableServiceLinks: false`",
                    one_line(name)
                )
            } else {
                suggestion(name, &known)
            }
        })
        .collect()
}

pub(super) fn keys(values: &Dict, source: &str) -> Vec<String> {
    let settings = Settings::table();
    let names: Vec<&str> = settings.iter().map(|setting| setting.name).collect();
    let tables: Vec<&str> = (names.iter()).filter_map(|name| Some(name.split_once('.')?.0)).collect();
    let (only_outside, _) = config_file();
    let names_and_tables = [names.as_slice(), tables.as_slice()].concat();

    let mut problems = Vec::new();
    for (key, value) in values {
        let is_table = tables.contains(&key.as_str());
        // A quoted key with a dot in it looks like a key in a table and is none.
        let is_key = names.contains(&key.as_str()) && !key.contains('.');
        match value {
            Value::Dict(_, inner) if is_table => {
                let inner = inner.keys().map(|inner| format!("{key}.{inner}"));
                let unknown = inner.filter(|key| !names.contains(&key.as_str()));
                problems.extend(unknown.map(|key| suggestion(&key, &names)));
            }
            _ if is_table => problems.push(format!("`{key}`: the type of the value is wrong; expected a table")),
            _ if is_key => {}
            _ if key == only_outside.name => {
                problems.push(format!("`{key}` cannot be set in the file; set {}", only_outside.environment_name));
            }
            _ if names.contains(&key.as_str()) => {
                problems.push(format!("`{key}`: must not be in quotes"));
            }
            _ => problems.push(suggestion(key, &names_and_tables)),
        }
    }
    (problems.iter()).map(|problem| format!("{source}: {problem}")).collect()
}

fn suggestion(name: &str, known: &[&str]) -> String {
    // The common beginning says nothing about which one was meant.
    let bare = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
    let wanted = bare(name);
    let nearest = (known.iter().copied()).min_by_key(|known| strsim::damerau_levenshtein(&bare(known), &wanted)).unwrap_or_default();
    format!("unknown setting `{}`: did you mean `{nearest}`?", one_line(name))
}

/// A Kubernetes Service called `bailiwick…` puts such variables into every pod of its namespace; the name of the
/// nearest setting would mislead there.
fn is_service_link(name: &str, value: Option<&str>) -> bool {
    value.is_some_and(|value| value.starts_with("tcp://"))
        || (["_SERVICE_HOST", "_SERVICE_PORT", "_TCP_"].iter()).any(|mark| name.contains(mark))
}
