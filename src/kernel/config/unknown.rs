//! Refuses names that mean nothing, so that a misspelt setting does not silently keep its default.

use std::fs;
use std::path::Path;

use figment::value::{Dict, Value};

use super::reader::{Environment, one_line};
use super::table::{DATABASE_URL, LISTEN, METRICS_LISTEN, Settings, config_file, known_variables};

/// Every variable that begins so is meant for the service.
pub(super) const PREFIX: &str = "BAILIWICK_";

/// What a setting is called elsewhere. These are so far from our names that the nearest of those
/// would mislead.
pub(super) const CALLED_ELSEWHERE: [(&str, &[&str]); 8] = [
    (
        LISTEN,
        &[
            "port",
            "host",
            "hostname",
            "bind",
            "bind_address",
            "bind_addr",
            "addr",
            "address",
            "http_port",
            "server_port",
            "api_port",
            "listen_port",
        ],
    ),
    (
        METRICS_LISTEN,
        &[
            "metrics",
            "metrics_port",
            "metrics_host",
            "metrics_bind",
            "metrics_address",
            "metrics_addr",
            "prometheus_port",
        ],
    ),
    (
        DATABASE_URL,
        &[
            "db",
            "db_url",
            "dsn",
            "database",
            "database_dsn",
            "database_host",
            "database_port",
            "database_name",
            "database_user",
            "database_password",
            "db_host",
            "db_port",
            "db_name",
            "db_user",
            "db_password",
            "postgres",
            "postgres_url",
            "postgresql_url",
            "pg_url",
        ],
    ),
    ("data_dir", &["data", "data_directory", "data_folder", "data_path", "home"]),
    ("issuer", &["url", "base_url", "public_url", "external_url", "root_url", "domain"]),
    (
        "secret_key",
        &[
            "secret",
            "key",
            "jwt_secret",
            "jwt_key",
            "signing_key",
            "private_key",
            "master_key",
            "encryption_key",
        ],
    ),
    ("log", &["level", "log_level", "loglevel", "rust_log", "verbosity", "debug"]),
    (
        "database_pool",
        &[
            "pool",
            "pool_size",
            "db_pool",
            "db_pool_size",
            "database_pool_size",
            "database_max_connections",
        ],
    ),
];

/// How many slips of the pen keep `DATABASE_URL` recognisable.
const SLIPS: usize = 2;

/// Of so many letters of a name one may be wrong: a hint at what nobody meant is worse than none.
const LETTERS_FOR_A_SLIP: usize = 3;

/// Which of the names without the common beginning was meant by this one, if any was.
fn misspelt(name: &str, known: &[String]) -> Option<String> {
    let mut without_prefix = known.iter().filter(|known| !known.starts_with(PREFIX));
    let near =
        |known: &&String| strsim::damerau_levenshtein(known, &name.to_ascii_uppercase()) <= SLIPS;
    without_prefix.find(near).filter(|_| !known.iter().any(|known| known == name)).cloned()
}

/// Whether the variable is meant for the service, as far as its name tells.
pub(super) fn concerns_us(name: &str, known: &[String]) -> bool {
    name.starts_with(PREFIX)
        || known.iter().any(|known| known == name)
        || misspelt(name, known).is_some()
}

/// What was meant for `DATABASE_URL` where that is not set: an empty database of our own would take
/// the place of the one that was meant. Other programs have names as near to it (`METABASE_URL`,
/// `DATABASE_SSL`), so that the value decides, or what is in its file.
pub(super) fn misspelt_database(environment: &Environment, working_folder: &Path) -> Vec<String> {
    let known = known_variables();
    let misspelt = environment.iter().filter_map(|(name, value)| {
        let meant = misspelt(name, &known)?;
        let value = value.as_deref()?;
        let path = working_folder.join(value);
        let in_file = || {
            meant.ends_with("_FILE")
                && path.is_file()
                && fs::read_to_string(&path).is_ok_and(|text| is_database(&text))
        };
        (is_database(value) || in_file()).then_some((name, meant))
    });
    misspelt
        .map(|(name, meant)| {
            format!(
                "`{}` is set, and `{meant}` is not: rename it if that was meant, or unset it",
                one_line(name)
            )
        })
        .collect()
}

fn is_database(value: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| value.starts_with(scheme))
}

pub(super) fn variables(environment: &Environment) -> Vec<String> {
    let known = known_variables();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    (environment.iter())
        .filter(|(name, _)| name.starts_with(PREFIX) && !known.contains(&name.as_str()))
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
    let tables: Vec<&str> =
        (names.iter()).filter_map(|name| Some(name.split_once('.')?.0)).collect();
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
            _ if is_table => {
                problems.push(format!("`{key}`: the type of the value is wrong; expected a table"));
            }
            _ if is_key => {}
            _ if key == only_outside.name => {
                problems.push(format!(
                    "`{key}` cannot be set in the file; set {}",
                    only_outside.environment_name
                ));
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
    let meant = CALLED_ELSEWHERE
        .iter()
        .find(|(_, others)| others.contains(&wanted.as_str()))
        .map(|(meant, _)| *meant);
    let setting =
        meant.and_then(|meant| Settings::table().into_iter().find(|setting| setting.name == meant));
    if let Some(setting) = setting
        && let Some(meant) = known.iter().find(|known| bare(known) == setting.name)
    {
        return format!(
            "unknown setting `{}`: did you mean `{meant}`, which is {}?",
            one_line(name),
            setting.expected
        );
    }
    let distance = |known: &str| strsim::damerau_levenshtein(&bare(known), &wanted);
    let near = |known: &&str| {
        distance(known) * LETTERS_FOR_A_SLIP <= wanted.len()
            || wanted.starts_with(&format!("{}_", bare(known)))
    };
    match known.iter().copied().filter(near).min_by_key(|known| distance(known)) {
        Some(nearest) => format!("unknown setting `{}`: did you mean `{nearest}`?", one_line(name)),
        None => format!(
            "unknown setting `{}`: there is none with a name like it; remove it",
            one_line(name)
        ),
    }
}

/// A Kubernetes Service called `bailiwick…` puts such variables into every pod of its namespace;
/// the name of the nearest setting would mislead there.
fn is_service_link(name: &str, value: Option<&str>) -> bool {
    value.is_some_and(|value| {
        ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
    }) || (["_SERVICE_HOST", "_SERVICE_PORT", "_TCP_", "_UDP_", "_SCTP_"].iter())
        .any(|mark| name.contains(mark))
}
