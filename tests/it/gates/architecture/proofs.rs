//! Nobody reaches the database without having been let: read from the signatures.

use std::collections::BTreeSet;

use super::code;
use crate::gates::sources::sources;

/// Contexts whose own statements take them as they are: who is signing in or out, a token whose
/// session was not looked at yet, an invitation whose token somebody has, and whoever acts, for the
/// trail.
const CONTEXTS: [&str; 6] =
    ["Visitor", "SessionContext", "CheckedCaller", "Caller", "Invited", "Actor"];

/// The types that only contexts make: grants, what they opened, and the proofs of
/// `context/proof.rs`.
fn proofs() -> BTreeSet<String> {
    let made = sources("src/context")
        .into_iter()
        .filter(|(path, _)| ["grant.rs", "sealed.rs", "proof.rs"].iter().any(|file| path == file));
    let mut found: BTreeSet<String> = CONTEXTS.iter().map(|name| (*name).to_owned()).collect();
    for (_, text) in made {
        let declared = text.split("\npub struct ").skip(1);
        found.extend(declared.map(|rest| words(rest).next().unwrap_or_default().to_owned()));
    }
    // What was found and not yet opened lets nobody do anything.
    assert!(found.remove("Sealed") && found.contains("Grant") && found.contains("System"));
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// A function that waits, as it is declared.
struct Declared<'a> {
    name: &'a str,
    parameters: &'a str,
    /// Between the parameters and the body.
    gives: &'a str,
    body: &'a str,
    is_private: bool,
}

fn declared(code: &str) -> impl Iterator<Item = Declared<'_>> {
    code.match_indices("async fn ").filter_map(|(at, found)| {
        let is_private =
            code[..at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty());
        let rest = &code[at + found.len()..];
        let (open, open_body) = (rest.find('(')?, rest.find(" {\n")?);
        let close = open + closing(&rest[open..])?;
        let end = rest[open_body..].find("\n}\n").map_or(rest.len(), |end| open_body + end);
        Some(Declared {
            name: words(rest).next()?,
            parameters: &rest[open..close],
            gives: &rest[close..open_body.max(close)],
            body: &rest[open_body..end],
            is_private,
        })
    })
}

/// Where the bracket closes that a text begins with.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

fn takes(parameters: &str, wanted: impl Fn(&str) -> bool) -> bool {
    words(parameters).any(wanted)
}

/// What is below contexts knows nobody whom it could ask; all others take from their caller what
/// shows that somebody did.
fn is_below(path: &str) -> bool {
    path.starts_with("kernel/") || path.starts_with("context/")
}

#[test]
fn whoever_takes_a_connection_takes_a_grant_or_a_proof() {
    let (proofs, mut looked_at) = (proofs(), 0);
    for (path, text) in sources("src").into_iter().filter(|(path, _)| !is_below(path)) {
        for Declared { name, parameters, .. } in declared(&code(&text)) {
            if !takes(parameters, |word| ["PgConnection", "PgExecutor", "Executor"].contains(&word))
            {
                continue;
            }
            looked_at += 1;
            assert!(
                takes(parameters, |word| proofs.contains(word)),
                "src/{path}: `{name}` asks the database for anybody; take one of {proofs:?}"
            );
        }
    }
    assert!(looked_at > 150, "only {looked_at} functions take a connection");
}

/// A statement that says how near its row is was written for somebody to judge.
#[test]
fn a_row_that_is_to_be_judged_leaves_its_store_sealed() {
    let mut looked_at = 0;
    for (path, text) in sources("src").into_iter().filter(|(path, _)| !is_below(path)) {
        for Declared { name, gives, body, is_private, .. } in declared(&code(&text)) {
            if is_private || !(body.contains("\"needed!\"") || body.contains("\"needed?\"")) {
                continue;
            }
            looked_at += 1;
            assert!(
                gives.contains("Sealed<"),
                "src/{path}: `{name}` gives a row that nobody judged"
            );
        }
    }
    assert!(looked_at >= 4, "only {looked_at} such statements were found");
}

/// Whoever has the services at hand could make a context of the platform, and with it every proof.
#[test]
fn no_request_makes_itself_the_platform() {
    for (path, text) in sources("src") {
        let of_requests = path.starts_with("http/") || path.ends_with("routes.rs");
        assert!(
            !of_requests || !code(&text).contains("SystemContext::"),
            "src/{path} makes a context of the platform: take the one that the guard let in"
        );
    }
}
