//! Who takes some of the rows that there are, and locks them, takes them once. As a table of a
//! join, a query with `limit` and `for update` may be run again for each row of another table, and
//! passes over what it locked before: more is taken than was asked for. Common table expressions,
//! and arrays are worked out once (PostgreSQL, "WITH Queries", 7.8.3).

use std::path::Path;

use serde_json::Value;

/// Every text of SQL that was checked, and those of migrations.
fn statements() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str| {
        let files = std::fs::read_dir(root.join(folder)).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
    };
    let checked = files(".sqlx").map(|text| {
        let query: Value = serde_json::from_str(&text).unwrap();
        query["query"].as_str().unwrap().to_owned()
    });
    checked.chain(files("migrations")).collect()
}

/// The query in the parenthesis that a place is in, with what stands before it; nothing for a place
/// that is in none.
fn in_parenthesis(sql: &str, place: usize) -> Option<(&str, &str)> {
    let mut depth = 0;
    let leaves = |letter: char, out: char, into: char, depth: &mut i32| {
        *depth += i32::from(letter == into) - i32::from(letter == out);
        *depth < 0
    };
    let opening =
        sql[..place].char_indices().rev().find(|(_, c)| leaves(*c, '(', ')', &mut depth))?.0;
    depth = 0;
    let rest = sql[place..].char_indices().find(|(_, c)| leaves(*c, ')', '(', &mut depth));
    let closing = rest.map_or(sql.len(), |(closing, _)| place + closing);
    Some((sql[..opening].trim_end(), &sql[opening + 1..closing]))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// A query for a part of some rows that locks them, where it may be run more than once.
fn taken_more_than_once(sql: &str) -> Option<String> {
    let sql = sql.to_lowercase();
    let locks = ["for update", "for no key update", "for share", "for key share"];
    let places = locks.iter().flat_map(|lock| sql.match_indices(lock));
    let queries = places.filter_map(|(place, _)| in_parenthesis(&sql, place));
    let is_worked_out_once =
        |before: &str| ["array", "as", "as materialized"].iter().any(|word| before.ends_with(word));
    let is_part = |query: &str| words(query).any(|word| ["limit", "fetch"].contains(&word));
    let mut wrong = queries.filter(|(before, query)| is_part(query) && !is_worked_out_once(before));
    wrong.next().map(|(_, query)| query.to_owned())
}

#[test]
fn what_is_locked_of_many_is_found_once() {
    let statements = statements();
    assert!(statements.len() > 100, "only {} were found", statements.len());
    for statement in &statements {
        assert_eq!(taken_more_than_once(statement), None, "{statement}");
    }
    let takes = |part: &str| format!("select id from jobs order by due_at limit 1 {part}");
    let (locked, seen) = (takes("for update skip locked"), takes(""));
    for wrong in [
        format!("update jobs j set claim = $1 from ({locked}) due where j.id = due.id"),
        format!("delete from jobs where id in ({locked})"),
        format!("UPDATE jobs j SET a = 1 FROM ({}) due", locked.to_uppercase()),
        "delete from jobs where id in (select id from jobs for no key update limit\n1)".to_owned(),
        "update jobs set a = 1 from (select id from jobs for share fetch first row only) due"
            .to_owned(),
    ] {
        assert!(taken_more_than_once(&wrong).is_some(), "{wrong}");
    }
    for right in [
        format!("with due as ({locked}) update jobs j set claim = $1 from due"),
        format!("delete from jobs where id = any (array({locked}))"),
        format!("delete from jobs where id in ({seen})"),
        "update jobs set a = (select max(b) from (select 1) x) where id = $1".to_owned(),
        locked,
    ] {
        assert_eq!(taken_more_than_once(&right), None, "{right}");
    }
}
