//! What tests say of tables ([`crate::core::tables`]) is what the service does with them. They are
//! written down twice on purpose: a level that the service comes to know, or to forget, is seen.

use std::collections::BTreeMap;

use bailiwick::access::Operation;
use bailiwick::access::tables::{CORE_TABLES, TableScope};

use crate::core::tables::{self, Scope};

#[test]
fn tables_know_the_levels_that_tests_go_by() {
    let said: BTreeMap<&str, (bool, [Vec<i16>; 4])> = tables::all()
        .map(|table| {
            let levels =
                table.levels.map(|levels| levels.iter().map(|level| i16::from(*level)).collect());
            (table.name, (table.scope == Scope::Mandates, levels))
        })
        .collect();
    let known: BTreeMap<&str, (bool, [Vec<i16>; 4])> = CORE_TABLES
        .iter()
        .map(|table| {
            let levels = Operation::ALL.map(|operation| {
                table.levels(operation).iter().map(|level| level.number()).collect()
            });
            (table.name, (table.scope == TableScope::Mandate, levels))
        })
        .collect();
    assert_eq!(said, known, "tests/it/core beside src/access/tables.rs");
}
