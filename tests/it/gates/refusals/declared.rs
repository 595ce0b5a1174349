//! What routes declare of their handlers' refusals, read from the text: in the document they stand
//! among the guard's.

use std::collections::BTreeMap;

use crate::gates::sources::sources;

/// The codes of each handler as its route writes them. `.versioned()` stands for what it brings.
pub fn declared() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for (_, text) in sources("src") {
        let text: String = text.split_whitespace().collect();
        for route in text.split("routes!(").skip(1) {
            if let Some((handler, rest)) = route.split_once(')') {
                found.insert(handler.to_owned(), codes(rest));
            }
        }
    }
    found
}

/// Those of the calls that come right behind a handler.
fn codes(calls: &str) -> Vec<String> {
    if let Some(rest) = calls.strip_prefix(".versioned()") {
        return [vec!["PreconditionFailed".to_owned()], codes(rest)].concat();
    }
    let listed = calls.strip_prefix(".refuses(&[").and_then(|rest| rest.split_once("])"));
    let Some((listed, rest)) = listed else { return Vec::new() };
    let own = listed.split(',').filter_map(|code| code.strip_prefix("Code::"));
    own.map(str::to_owned).chain(codes(rest)).collect()
}
