//! Programs that drive the service from outside (`openapi/drive`) call it by the gates' own cases:
//! they are written down here for them, in `target/openapi/described.json`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cases::{self, Case, Unlike, mentioned};
use super::operations::{Operation, operations};
use super::refusals;
use crate::core::{self, Made};
use crate::features;

/// Names that are known from the beginning, and tokens that are mailed.
const KNOWN: [&str; 9] = [
    "unique",
    "username",
    "password",
    "person",
    "mandate",
    "admin",
    "registertoken",
    "resettoken",
    "invitetoken",
];

/// The cases of these operations.
fn cases_of(served: &[Operation]) -> Vec<(Operation, Case)> {
    let is_served = |id: &str| served.iter().any(|operation| operation.id == id);
    cases::all().into_iter().filter(|(operation, _)| is_served(&operation.id)).collect()
}

/// How things are made that these cases aim at.
fn makers(served: &[Operation]) -> Vec<&'static Made> {
    let core = core::ALL.iter().flat_map(|slice| slice.made);
    let all = core.chain(features::ALL.iter().flat_map(|staged| staged.made));
    all.filter(|made| {
        made.by.iter().all(|step| served.iter().any(|known| known.id == operation(step)))
    })
    .collect()
}

/// The operation of a step, which may have a path behind it.
fn operation(step: &str) -> &str {
    step.split(' ').next().unwrap()
}

fn written((operation, case): &(Operation, Case)) -> Value {
    json!({
        "operation": case.id, "uri": case.uri, "body": case.body, "media": case.media,
        "status": case.status,
        "sysOnly": case.sys_only, "hasEffect": operation.has_effect(),
        "concernsTheCaller": case.is(Unlike::EndsTheSession) || case.is(Unlike::ChangesTheCaller),
    })
}

#[tokio::test]
async fn cases_are_written_down_for_programs_outside() {
    let served = operations(&refusals::served());
    let cases: Vec<Value> = cases_of(&served).iter().map(written).collect();
    let made: Vec<Value> = makers(&served)
        .iter()
        .map(|made| {
            json!({ "name": made.name, "from": made.from, "by": made.by, "told": made.told })
        })
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/openapi");
    std::fs::create_dir_all(folder).unwrap();
    let text = serde_json::to_string_pretty(&json!({ "cases": cases, "made": made })).unwrap();
    std::fs::write(format!("{folder}/described.json"), text).unwrap();
}

/// What the gates put into tables, others make: each thing that a case aims at, from things that
/// are made, by operations that there are.
#[tokio::test]
async fn whatever_cases_aim_at_can_be_made() {
    let served = operations(&refusals::served());
    let makers = makers(&served);
    let is_made = |name: &str| KNOWN.contains(&name) || makers.iter().any(|made| made.name == name);
    let mut aims: BTreeSet<String> = BTreeSet::new();
    for (_, case) in cases_of(&served) {
        aims.extend(mentioned(case.uri));
        aims.extend(mentioned(case.body.unwrap_or_default()));
    }
    aims.extend(makers.iter().filter_map(|made| made.from.map(str::to_owned)));
    let missing: Vec<_> = aims.iter().filter(|name| !is_made(name)).collect();
    assert!(missing.is_empty(), "say how these are made, in their slice: {missing:?}");
}
