//! Lists of the worst rows: whatever a name is made of, as long as it is accepted, every list can
//! be walked from one end to the other, in every order that it documents, and each row is met once.
//! The names are put into every field of every operation that makes something.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::cases::{self, Case, Names, fill};
use super::effort;
use super::operations::{Operation, document};
use super::stage::{Approach, Ground};
use crate::harness::app::Answer;
use crate::slices::kit::follow;

/// The most bytes of a name's key, and the most characters of a name.
const MAX_KEY: usize = 600;
const MAX_CHARACTERS: usize = 200;
/// Longer lists are walked a row to a page in the full run only.
const FEW: usize = 50;

/// One ending for each name, so that none is taken.
fn worst(number: usize) -> Vec<String> {
    let ending = format!("{number:03}");
    let room = MAX_CHARACTERS - ending.len();
    let units = ["\u{fdfa}", "\u{1f3f4}", "a\u{301}\u{302}\u{323}", "\u{10ffff}"];
    let full = |unit: &str, fits: &dyn Fn(&str) -> bool| {
        let mut name = String::new();
        while fits(&format!("{name}{unit}{ending}")) {
            name.push_str(unit);
        }
        name + &ending
    };
    let is_short = |name: &str| name.chars().count() <= room + ending.len();
    let names = units.iter().flat_map(|unit| {
        let within = |name: &str| {
            is_short(name)
                && bailiwick::kernel::names::key(name).is_some_and(|key| key.len() <= MAX_KEY)
        };
        [full(unit, &is_short), full(unit, &within)]
    });
    // Those that begin alike and are kept apart by their ends only, and one that is nothing much.
    names.chain([format!("{}{ending}", "\u{fdfa}".repeat(3)), format!("Z{ending}")]).collect()
}

/// Fields of a body that take any text.
fn texts(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &document["components"]["schemas"][name.rsplit('/').next().unwrap()],
        None => schema,
    };
    let is_text = |field: &Value| {
        field["type"].to_string().contains("string")
            && field["format"].is_null()
            && field["enum"].is_null()
    };
    let all = schema["properties"].as_object().into_iter().flatten();
    all.filter(|(_, field)| is_text(field)).map(|(name, _)| name.clone()).collect()
}

struct Maker<'a> {
    ground: &'a Ground,
    document: &'a Value,
    names: Names,
}

impl Maker<'_> {
    async fn call(
        &self,
        operation: &Operation,
        case: &Case,
        uri: String,
        body: Option<&Value>,
    ) -> Answer {
        let approach: Approach = self.ground.rightful(operation, case);
        let mut call = self
            .ground
            .world
            .app
            .call(operation.method.clone(), uri)
            .bearer(approach.token.as_ref().unwrap());
        for mandate in &approach.mandate {
            call = call.header("x-mandate-id", mandate);
        }
        if let Some(instance) = case.instance {
            call = call.header("x-instance-id", fill(instance, &self.names));
        }
        match body {
            Some(body) => call.json(body.clone()).send().await,
            None => call.send().await,
        }
    }

    /// Makes what the case makes, with each worst name in all of its fields that take it. Answers
    /// how many were made.
    async fn make(&self, operation: &Operation, case: &Case) -> usize {
        let uri = fill(case.uri, &self.names);
        let content = &operation.value["requestBody"]["content"]["application/json"]["schema"];
        let fields = texts(self.document, content);
        let mut made = 0;
        for number in 0..worst(0).len() {
            let mut names = self.names.clone();
            names.insert("unique", format!("u{}", &Uuid::now_v7().simple().to_string()[20..]));
            let usual: Value = serde_json::from_str(&fill(case.body.unwrap(), &names)).unwrap();
            let mut body = usual.clone();
            for field in &fields {
                body[field] = json!(worst(number)[number]);
            }
            // Whatever does not take it is taken out again, until the rest is accepted.
            for _ in 0..=fields.len() {
                let answer = self.call(operation, case, uri.clone(), Some(&body)).await;
                assert!(
                    !answer.status.is_server_error(),
                    "{}: {body:.300}: {}",
                    case.title(),
                    answer.body
                );
                if answer.status.is_success() {
                    made += 1;
                    break;
                }
                let refused = answer.body["errors"].as_array().into_iter().flatten();
                let refused =
                    refused.filter_map(|error| error["pointer"].as_str()?.split('/').nth(1));
                for field in refused {
                    match usual.get(field) {
                        Some(value) => body[field] = value.clone(),
                        None => _ = body.as_object_mut().unwrap().remove(field),
                    }
                }
            }
        }
        made
    }

    /// Walks a list in every order, one row and two to a page.
    async fn walk(&self, operation: &Operation, case: &Case) -> usize {
        let sort = operation.value["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .find(|parameter| parameter["name"] == "sort")
            .unwrap();
        let fields = sort["schema"]["x-sort-fields"].as_array().unwrap();
        let fields: Vec<&str> =
            fields.iter().map(|field| field.as_str().unwrap().trim_start_matches('-')).collect();
        assert!(!fields.is_empty(), "{}: {sort}", case.title());
        let uri =
            fill(case.uri.split("sort=").next().unwrap().trim_end_matches(['?', '&']), &self.names);
        let separator = if uri.contains('?') { '&' } else { '?' };
        let get = async |uri: String| self.call(operation, case, uri, None).await;
        let mut walked = 0;
        for field in fields {
            let whole = follow(format!("{uri}{separator}limit=200&sort={field}"), get).await;
            let total = get(format!("{uri}{separator}limit=1&count=true&sort={field}"))
                .await
                .expect(200)["total"]
                .as_u64();
            // (A list need not count.)
            assert!(
                total.is_none_or(|total| total == whole.len() as u64),
                "{}: {total:?} in all, {} seen",
                case.title(),
                whole.len()
            );
            let limits = if whole.len() <= FEW || effort::is_full() { vec![1, 2] } else { vec![2] };
            for limit in limits {
                let up = follow(format!("{uri}{separator}limit={limit}&sort={field}"), get).await;
                assert!(up == whole, "{} by {field}, {limit} to a page", case.title());
                let mut down =
                    follow(format!("{uri}{separator}limit={limit}&sort=-{field}"), get).await;
                down.reverse();
                assert!(down == whole, "{} by -{field}, {limit} to a page", case.title());
            }
            walked += whole.len();
        }
        walked
    }
}

#[tokio::test]
async fn every_list_of_the_worst_rows_is_walked_both_ways() {
    let (ground, document) = (Ground::new().await, document());
    let names = ground.stage(&ground.world.acme).await;
    let maker = Maker { ground: &ground, document: &document, names };
    let all = cases::all();
    let mut made = 0;
    for (operation, case) in
        all.iter().filter(|(_, case)| case.status == 201 && case.body.is_some())
    {
        made += maker.make(operation, case).await;
    }
    assert!(made >= 90, "only {made} rows were made");
    let is_list = |operation: &Operation| {
        operation.value["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|parameter| parameter["name"] == "cursor")
    };
    let mut lists = BTreeSet::new();
    for (operation, case) in all.iter().filter(|(operation, _)| is_list(operation)) {
        let walked = maker.walk(operation, case).await;
        if walked > 1 {
            lists.insert(operation.id.clone());
        }
    }
    assert!(lists.len() >= 13, "of several rows are only {lists:?}");
}
