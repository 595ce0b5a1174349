//! Summaries of one sentence, and descriptions that say who may call.

use serde_json::Value;
use utoipa::openapi::path::Operation;

use crate::context::policy::UNLIMITED;

/// The first sentence is the summary; the others, and who may call, the description.
pub(super) fn explain(operation: &mut Operation) {
    let said = operation.summary.take().unwrap_or_default().replace('\n', " ");
    let (first, rest) = match said.split_once(". ") {
        Some((first, rest)) => (format!("{first}."), Some(rest.trim().to_owned())),
        None => (said, None),
    };
    let access = operation
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get("x-access"))
        .map(who_may);
    let paragraphs: Vec<String> = [rest, operation.description.take(), access]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    operation.summary = Some(first);
    operation.description = Some(paragraphs.join("\n\n"));
}

/// `x-access` in words.
fn who_may(access: &Value) -> String {
    let clauses: Vec<String> =
        access["anyOf"].as_array().into_iter().flatten().map(clause).collect();
    let who = if clauses.is_empty() {
        "anybody, signed in or not".to_owned()
    } else {
        clauses.join("; or ")
    };
    match access["class"].as_str().unwrap_or_default() {
        UNLIMITED => format!("Open to {who}. No rate limit."),
        class => format!("Open to {who}. Rate limit: class `{class}`."),
    }
}

fn clause(clause: &Value) -> String {
    let word = |name: &str| clause[name].as_str().unwrap_or_default();
    match (word("principal"), word("only")) {
        ("user", _) => "every signed-in user".to_owned(),
        ("oneself", _) => "the user whom the path names".to_owned(),
        ("sysAdmin", "") => "SysAdmins".to_owned(),
        ("sysAdmin", only) => format!("SysAdmins, for {only}"),
        _ => format!("whoever has `{}` on `{}`", word("operation"), word("table")),
    }
}
