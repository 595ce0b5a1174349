//! How each operation is called so that it succeeds. Each slice has the cases of its own
//! ([`crate::core`], [`crate::features`]), and all gates that call operations go through them: an
//! operation without one fails [`every_operation_has_a_case`], so that none can slip past them.
//!
//! `$names` stand for what [`super::stage`] puts there before the call: ids of the mandate's own
//! things, things of the platform, and `$unique`, a word that nobody used before.

use std::collections::{BTreeMap, BTreeSet};

use super::operations::{Operation, document, operations};
use crate::{core, features};

/// What the names stand for.
pub type Names = BTreeMap<&'static str, String>;

/// In whose trail a success leaves its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trail {
    Nowhere,
    Mandate,
    Platform,
    Both,
}

/// In what an operation is unlike others. A case says so with the reason; the gate that finds out
/// holds it to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlike {
    /// It reads, and leaves an event.
    ToldRead,
    /// It changes something that has no version to agree on: it takes no `If-Match`.
    NoVersion,
    /// It has an effect, and takes no `Idempotency-Key`.
    NoKey,
    /// Made twice, it is another change the second time.
    AnotherEachTime,
    /// It ends the session that it is called in.
    EndsTheSession,
    /// It changes how its caller signs in, or where else they are signed in.
    ChangesTheCaller,
    /// What it answers holds for a while, whoever asks: it asks the database now and then.
    HoldsForAWhile,
    /// It has an effect that no trail tells.
    Untold,
    /// The model does not play it.
    NotPlayed,
}

/// Whether an operation's success leaves events: every effect's does but of those that say so, and
/// that of the few reads that say so.
fn is_told(operation: &Operation) -> bool {
    (operation.has_effect() && !is(&operation.id, Unlike::Untold))
        || is(&operation.id, Unlike::ToldRead)
}

/// Whether an operation is said to be unlike others so.
pub fn is(operation: &str, unlike: Unlike) -> bool {
    cases().filter(|case| case.id == operation).any(|case| case.is(unlike))
}

/// One way to call an operation.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The operationId.
    pub id: &'static str,
    /// Which of several things of its kind is aimed at.
    pub variant: &'static str,
    pub uri: &'static str,
    pub body: Option<&'static str>,
    /// What the body is sent as, where that is not JSON.
    pub media: Option<&'static str>,
    /// What `X-Instance-Id` is to be, where the operation looks at it.
    pub instance: Option<&'static str>,
    pub status: u16,
    pub trail: Trail,
    /// The same where a SysAdmin is the caller.
    pub trail_of_sys: Trail,
    /// Succeeds only for a SysAdmin, though the policy lets others in too.
    pub sys_only: bool,
    /// In what it is unlike other operations, and why.
    pub unlike: &'static [(Unlike, &'static str)],
}

pub const fn case(id: &'static str, uri: &'static str, status: u16) -> Case {
    let trail = Trail::Nowhere;
    Case {
        id,
        variant: "",
        uri,
        body: None,
        media: None,
        instance: None,
        status,
        trail,
        trail_of_sys: trail,
        sys_only: false,
        unlike: &[],
    }
}

impl Case {
    pub const fn of(mut self, variant: &'static str) -> Self {
        self.variant = variant;
        self
    }
    pub const fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }
    /// Of NDJSON: one line, so that it is JSON too.
    pub const fn lines(mut self, body: &'static str) -> Self {
        self.media = Some("application/x-ndjson");
        self.body(body)
    }
    pub const fn instance(mut self, instance: &'static str) -> Self {
        self.instance = Some(instance);
        self
    }
    pub const fn told(mut self, trail: Trail) -> Self {
        self.trail = trail;
        self.trail_of_sys = trail;
        self
    }
    pub const fn told_of_sys(mut self, trail: Trail) -> Self {
        self.trail_of_sys = trail;
        self
    }
    pub const fn sys_only(mut self) -> Self {
        self.sys_only = true;
        self
    }
    pub const fn unlike(mut self, unlike: &'static [(Unlike, &'static str)]) -> Self {
        self.unlike = unlike;
        self
    }
    pub fn is(&self, unlike: Unlike) -> bool {
        self.unlike.iter().any(|(known, _)| *known == unlike)
    }
    pub fn title(&self) -> String {
        if self.variant.is_empty() {
            self.id.to_owned()
        } else {
            format!("{} ({})", self.id, self.variant)
        }
    }
}

/// The cases of the core, then those of each feature.
fn cases() -> impl Iterator<Item = &'static Case> {
    let core = core::ALL.iter().flat_map(|slice| slice.cases);
    core.chain(features::ALL.iter().flat_map(|staged| staged.cases))
}

/// Every case with its operation.
pub fn all() -> Vec<(Operation, Case)> {
    let operations = operations(&document());
    let find = |case: &Case| {
        let found = operations.iter().find(|operation| operation.id == case.id);
        found
            .unwrap_or_else(|| {
                panic!("a case calls `{}`, which the document does not have", case.id)
            })
            .clone()
    };
    cases().map(|case| (find(case), *case)).collect()
}

/// Puts what the names stand for into a text.
pub fn fill(text: &str, names: &Names) -> String {
    let mut parts = text.split('$');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(part.len());
        let value = names
            .get(&part[..end])
            .unwrap_or_else(|| panic!("`${}` stands for nothing", &part[..end]));
        filled.push_str(value);
        filled.push_str(&part[end..]);
    }
    filled
}

/// The names that a text mentions.
pub fn mentioned(text: &str) -> BTreeSet<String> {
    text.split('$')
        .skip(1)
        .map(|part| part.chars().take_while(char::is_ascii_lowercase).collect())
        .collect()
}

impl Case {
    /// The names in path, query, body and context header.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = mentioned(self.uri);
        names.extend(mentioned(self.body.unwrap_or_default()));
        names.extend(mentioned(self.instance.unwrap_or_default()));
        names
    }
    pub fn mentions(&self, name: &str) -> bool {
        self.names().contains(name)
    }
}

#[tokio::test]
async fn every_operation_has_a_case() {
    for operation in operations(&document()) {
        let cases: Vec<&Case> = cases().filter(|case| case.id == operation.id).collect();
        assert!(
            !cases.is_empty(),
            "`{}` ({} {}) is new: add a case that shows how it succeeds, to its slice in \
             tests/it/core or its feature in tests/it/features",
            operation.id,
            operation.method,
            operation.path
        );
        for case in cases {
            let path = case.uri.split('?').next().unwrap();
            let same =
                |(said, is): (&str, &str)| said == is || (said.starts_with('{') && !is.is_empty());
            assert_eq!(
                operation.path.split('/').count(),
                path.split('/').count(),
                "{}",
                case.title()
            );
            assert!(
                operation.path.split('/').zip(path.split('/')).all(same),
                "{}: {path} is not {}",
                case.title(),
                operation.path
            );
            let agrees =
                if case.body.is_some() { operation.has_body() } else { !operation.requires_body() };
            assert!(agrees, "{}'s body", case.title());
            assert_eq!(
                case.trail != Trail::Nowhere,
                is_told(&operation),
                "{}'s trail",
                case.title()
            );
        }
    }
}

/// An exception that is none any more goes.
#[tokio::test]
async fn every_operation_that_is_said_to_be_unlike_others_is() {
    for (operation, case) in all() {
        if case.is(Unlike::ToldRead) {
            assert!(!operation.is_mutation(), "{} is no read", case.title());
        }
        if case.is(Unlike::Untold) {
            assert!(operation.has_effect(), "{} has no effect", case.title());
        }
        if operation.has_effect() && !operation.is_public() {
            let takes_key = operation.takes_header("Idempotency-Key");
            assert_eq!(takes_key, !is(case.id, Unlike::NoKey), "{}'s key", case.title());
        }
        let reasons = case.unlike.iter().map(|(_, reason)| reason);
        assert!(reasons.into_iter().all(|reason| reason.len() > 10), "{} says why", case.title());
    }
}
