//! One direction: which folder of `src/` may know which, read from what each file imports.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, is_of_a_slice};
use crate::gates::sources::sources;

/// The rooms from below to above. A file knows its own room and those below.
const ORDER: [&str; 12] = [
    "kernel", "access", "context", "openapi", "http", "identity", "tenancy", "platform",
    "features", "assembly", "seeds", "cli",
];
/// The room of a file, by its path in `src/`.
fn room(path: &str) -> &str {
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The folder right below a room that a file is in: a slice, or a part of the kernel.
fn part(path: &str) -> String {
    path.split('/').take(2).collect::<Vec<_>>().join("/").trim_end_matches(".rs").to_owned()
}

/// What a file takes from the crate, as the paths that it writes: `tenancy/roles`, `kernel/error`.
fn imports(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let paths = code.split("crate::").skip(1).flat_map(|rest| {
        let head: String =
            rest.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
        let inside = head.ends_with("::").then(|| rest[head.len()..].strip_prefix('{')).flatten();
        let Some(inside) = inside else { return vec![head] };
        // `use crate::a::{b, c::D};`
        let inside = inside.split('}').next().unwrap_or_default();
        inside.split(',').map(|item| format!("{head}{}", item.trim())).collect()
    });
    paths.map(|path| path.split("::").take(2).collect::<Vec<_>>().join("/")).collect()
}

fn place(room: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == room)
}

/// Whoever imports from a room above their own, and what.
fn upwards() -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for (path, text) in sources("src") {
        let own = room(&path);
        if ["lib", "main"].contains(&own) {
            continue;
        }
        let own_place = place(own).unwrap_or_else(|| panic!("src/{path} is in no known room"));
        for import in imports(&text) {
            if place(room(&import)).is_some_and(|place| place > own_place) {
                found
                    .entry((own.to_owned(), room(&import).to_owned()))
                    .or_insert_with(|| format!("src/{path} uses crate::{import}"));
            }
        }
    }
    found
}

#[test]
fn a_room_knows_only_those_below_it() {
    let found: Vec<String> = upwards().into_values().collect();
    assert!(found.is_empty(), "these stand below what they use ({ORDER:?}): {found:#?}");
}

#[test]
fn the_access_model_is_pure() {
    for (path, text) in sources("src/access") {
        let code = code(&text);
        assert!(
            !code.contains("sqlx") && !code.contains("axum") && !code.contains("kernel::db"),
            "src/access/{path} knows the database or HTTP"
        );
    }
}

/// What a class costs, who pays and what is left can be read, and reused, without a request.
#[test]
fn budgets_know_no_requests() {
    let budgets = sources("src/http/rate_limit/budgets");
    assert!(budgets.len() >= 3, "where are the budgets?");
    for (path, text) in budgets {
        let code = code(&text);
        let known =
            ["axum", "crate::http", "super::super"].into_iter().find(|name| code.contains(name));
        assert_eq!(known, None, "src/http/rate_limit/budgets/{path} knows requests");
    }
}

/// Folders whose files import each other by name: whoever took what the folder's `mod.rs` hands out
/// would stand in a circle with it, and by way of it with all others.
const WITHOUT_CIRCLES: [&str; 5] =
    ["context", "kernel/db", "kernel/error", "kernel/names", "http/rate_limit"];

#[test]
fn files_of_a_folder_import_each_other_by_name() {
    for folder in WITHOUT_CIRCLES {
        let own = format!("crate::{}::", folder.replace('/', "::"));
        for (path, text) in sources(&format!("src/{folder}")) {
            if path.ends_with("tests.rs") {
                continue;
            }
            let code = code(&text);
            for from in ["super::", own.as_str()] {
                let taken = code.split(from).skip(1).find(|rest| {
                    let name = rest.trim_start_matches(|c: char| c == '{' || c.is_whitespace());
                    name.starts_with(|c: char| c.is_uppercase() || c == '*')
                });
                let taken = taken.and_then(|rest| rest.lines().next());
                assert_eq!(taken, None, "src/{folder}/{path}: import it from its own file");
            }
        }
    }
}

/// Whom each part of a room knows in the same room.
fn neighbours() -> BTreeMap<String, BTreeSet<String>> {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources("src") {
        let own = part(&path);
        let in_room = imports(&text).into_iter().filter(|import| room(import) == room(&path));
        known.entry(own.clone()).or_default().extend(in_room.filter(|import| *import != own));
    }
    known
}

#[test]
fn slices_of_a_room_form_no_circles() {
    let known = neighbours();
    let next = |one: &str| -> Vec<String> {
        let all = known.get(one).into_iter().flatten();
        all.filter(|other| is_of_a_slice(other)).cloned().collect()
    };
    for slice in known.keys().filter(|part| is_of_a_slice(part)) {
        let (mut open, mut reached) = (next(slice), BTreeSet::new());
        while let Some(other) = open.pop() {
            assert_ne!(&other, slice, "a circle leads from {slice} back to it, over {reached:?}");
            if reached.insert(other.clone()) {
                open.extend(next(&other));
            }
        }
    }
}

/// A feature that knew another could not be left out.
#[test]
fn features_know_no_other_feature() {
    for (own, known) in neighbours().into_iter().filter(|(own, _)| room(own) == "features") {
        assert!(known.is_empty(), "src/{own} uses {known:?}");
    }
}

/// What others may use of a slice is what its `mod.rs` hands out; its files are its own.
#[test]
fn of_another_slice_only_what_its_mod_hands_out() {
    for (path, text) in sources("src").into_iter().filter(|(path, _)| is_of_a_slice(path)) {
        // A room's own `mod.rs` names its slices.
        if path.matches('/').count() < 2 {
            continue;
        }
        let code = code(&text);
        let open = code.lines().find(|line| line.starts_with("pub") && line.contains(" mod "));
        assert_eq!(open, None, "src/{path}: declare it `mod`, and hand out what others need");
    }
}
