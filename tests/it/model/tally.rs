//! What came of the calls.

use std::collections::BTreeMap;
use std::fmt;

use super::operations::{Operation, all};
use crate::harness::Answer;

/// For each operation, how often it was answered with a success, and how often with a refusal of
/// each kind.
#[derive(Debug, Default)]
pub struct Tally {
    successes: BTreeMap<&'static str, usize>,
    refusals: BTreeMap<&'static str, BTreeMap<String, usize>>,
}

impl Tally {
    pub fn count(&mut self, operation: &Operation, answer: &Answer) {
        if answer.status.is_success() {
            *self.successes.entry(operation.id).or_default() += 1;
        } else {
            let kind = format!("{} {}", answer.status.as_u16(), answer.code());
            *self.refusals.entry(operation.id).or_default().entry(kind).or_default() += 1;
        }
    }
    pub fn successes(&self, operation: &Operation) -> usize {
        self.successes.get(operation.id).copied().unwrap_or(0)
    }
    /// How often calls were refused with this code.
    pub fn refusals(&self, code: &str) -> usize {
        let kinds = self
            .refusals
            .values()
            .flatten()
            .filter(|(kind, _)| kind.ends_with(code) && kind.len() == code.len() + 4);
        kinds.map(|(_, count)| count).sum()
    }
    fn refused(&self, operation: &Operation) -> usize {
        self.refusals.get(operation.id).map_or(0, |kinds| kinds.values().sum())
    }
    pub fn steps(&self) -> usize {
        all().map(|operation| self.successes(operation) + self.refused(operation)).sum()
    }
    pub fn add(&mut self, other: Self) {
        for (operation, count) in other.successes {
            *self.successes.entry(operation).or_default() += count;
        }
        for (operation, kinds) in other.refusals {
            for (kind, count) in kinds {
                *self.refusals.entry(operation).or_default().entry(kind).or_default() += count;
            }
        }
    }
    /// Mutating operations that were answered with success less often than that.
    pub fn rare(&self, least: usize) -> Vec<&'static str> {
        all()
            .filter(|operation| operation.is_mutation() && self.successes(operation) < least)
            .map(|operation| operation.id)
            .collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{} steps; answered with success, refused:", self.steps())?;
        for operation in all() {
            writeln!(
                to,
                "{:>6} {:>6}  {}",
                self.successes(operation),
                self.refused(operation),
                operation.id
            )?;
        }
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, count) in self.refusals.values().flatten() {
            *kinds.entry(kind).or_default() += count;
        }
        writeln!(to, "refusals:")?;
        kinds.into_iter().try_for_each(|(kind, count)| writeln!(to, "{count:>6}  {kind}"))
    }
}
