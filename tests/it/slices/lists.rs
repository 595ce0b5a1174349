//! Lists: pages, cursors, bounds, sorting.

use serde_json::{Value, json};

use super::kit::{Desk, values};
use crate::harness::World;

/// Groups g1 … gn beside `everyone`.
async fn groups(world: &World, count: usize) -> String {
    for number in 1..=count {
        world
            .admin()
            .post(world.acme.path("/groups"), json!({ "name": format!("g{number}") }))
            .await
            .expect(201);
    }
    world.acme.path("/groups")
}

fn next(page: &Value) -> &str {
    page["nextCursor"].as_str().unwrap_or_else(|| panic!("no next page: {page}"))
}

/// Every list that an admin or SysAdmin reads, and a field to sort it by.
fn lists(world: &World) -> Vec<(Desk<'_>, String, &'static str)> {
    let acme = &world.acme;
    let group = format!("/groups/{}/members", acme.everyone);
    vec![
        (world.root(), "/api/mandates".into(), "name"),
        (world.root(), "/api/users".into(), "username"),
        (world.root(), "/api/audit".into(), "-at"),
        (world.root(), "/api/features/templates/roles".into(), "label"),
        (world.admin(), "/api/features".into(), "code"),
        (world.admin(), acme.path("/users"), "username"),
        (world.admin(), acme.path("/groups"), "name"),
        (world.admin(), acme.path(&group), "username"),
        (world.admin(), acme.path("/roles"), "label"),
        (world.admin(), acme.path("/audit"), "-at"),
        (world.admin(), "/api/features/instances".into(), "label"),
        (world.admin(), acme.instance_path("/roles"), "label"),
        (world.admin(), acme.instance_path("/users"), "username"),
    ]
}

#[tokio::test]
async fn every_list_keeps_the_same_bounds() {
    let world = World::new().await;
    for (desk, path, sort) in lists(&world) {
        let page = desk.get(path.clone()).await.expect(200);
        assert!(
            page["items"].is_array()
                && page.get("nextCursor").is_some()
                && page.get("total").is_none(),
            "{path}: {page}"
        );
        for good in ["limit=1", "limit=200", "count=true", &format!("sort={sort}")] {
            desk.get(format!("{path}?{good}")).await.expect(200);
        }
        for wrong in [
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=x",
            "limit=",
            "sort=colour",
            "sort=",
            "sort=-",
            "cursor=x",
            "count=2",
        ] {
            let answer = desk.get(format!("{path}?{wrong}")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (400, "invalid_parameter"),
                "{path}?{wrong}: {}",
                answer.body
            );
        }
        for unknown in ["page=2", "Limit=3", "dryRun=true"] {
            let answer = desk.get(format!("{path}?{unknown}")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (400, "unknown_parameter"),
                "{path}?{unknown}: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other_by_cursor_and_by_link() {
    let world = World::new().await;
    let path = groups(&world, 4).await;
    let admin = world.admin();
    let mut url = format!("{path}?limit=2&sort=name&count=true");
    let mut found = Vec::new();
    for page_number in 0..3 {
        let answer = admin.get(url.clone()).await;
        let link = answer.header("link").to_owned();
        let page = answer.expect(200);
        assert_eq!(page["total"], json!(5));
        found.extend(values(&page, "name"));
        if page_number == 2 {
            assert_eq!(
                (&page["nextCursor"], link.as_str()),
                (&Value::Null, ""),
                "the last page has no next"
            );
            break;
        }
        let cursor = next(&page);
        assert!(
            cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b)),
            "needs no escaping: {cursor}"
        );
        let target = link
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .unwrap_or_else(|| panic!("{link}"));
        assert!(target.starts_with(&path) && target.contains(cursor), "{target}");
        target.clone_into(&mut url);
    }
    assert_eq!(found, ["everyone", "g1", "g2", "g3", "g4"]);
    let descending = admin.get(format!("{path}?sort=-name")).await.expect(200);
    assert_eq!(values(&descending, "name"), ["g4", "g3", "g2", "g1", "everyone"]);
}

#[tokio::test]
async fn a_row_that_comes_or_goes_meanwhile_neither_repeats_nor_hides_others() {
    let world = World::new().await;
    let path = groups(&world, 6).await;
    let admin = world.admin();
    let first = admin.get(format!("{path}?limit=3")).await.expect(200);
    assert_eq!(values(&first, "name"), ["everyone", "g1", "g2"]);
    let id = |index: usize| first["items"][index]["id"].as_str().unwrap().to_owned();
    // Before the place where the reader is: the last row that was seen, and a new one.
    admin.delete(format!("{path}/{}", id(2))).await.expect(204);
    admin.delete(format!("{path}/{}", id(1))).await.expect(204);
    admin.post(path.clone(), json!({ "name": "a new one" })).await.expect(201);
    // After it.
    admin.post(path.clone(), json!({ "name": "g31" })).await.expect(201);
    let rest = admin.get(format!("{path}?cursor={}", next(&first))).await.expect(200);
    assert_eq!(values(&rest, "name"), ["g3", "g31", "g4", "g5", "g6"]);
}

#[tokio::test]
async fn a_cursor_goes_back_unchanged_and_only_to_where_it_came_from() {
    let world = World::new().await;
    let path = groups(&world, 4).await;
    let admin = world.admin();
    let page = admin.get(format!("{path}?limit=2")).await.expect(200);
    let cursor = next(&page).to_owned();
    admin.get(format!("{path}?limit=1&cursor={cursor}")).await.expect(200);
    let mut tampered = Vec::new();
    for index in [0, cursor.len() / 2, cursor.len() - 2] {
        let mut bytes = cursor.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        tampered.push(String::from_utf8(bytes).unwrap());
    }
    tampered.push(cursor[..cursor.len() - 4].to_owned());
    tampered.push(format!("{cursor}AAAA"));
    tampered.push(String::new());
    for wrong in tampered {
        admin.get(format!("{path}?cursor={wrong}")).await.refused(400, "invalid_parameter");
    }
    for elsewhere in [
        format!("{path}?sort=-name&cursor={cursor}"),
        format!("{path}?q=g&cursor={cursor}"),
        world.acme.path(&format!("/roles?cursor={cursor}")),
    ] {
        admin.get(elsewhere).await.refused(400, "invalid_parameter");
    }
    let globex = world.desk(&world.globex.admin, &world.globex);
    globex
        .get(world.globex.path(&format!("/groups?cursor={cursor}")))
        .await
        .refused(400, "invalid_parameter");
}

#[tokio::test]
async fn a_page_has_fifty_items_unless_asked_otherwise() {
    let world = World::new().await;
    let path = groups(&world, 51).await;
    let page = world.admin().get(format!("{path}?count=true")).await.expect(200);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["total"]), (50, &json!(52)));
    let all = world.admin().get(format!("{path}?limit=200")).await.expect(200);
    assert_eq!((all["items"].as_array().unwrap().len(), &all["nextCursor"]), (52, &Value::Null));
}

#[tokio::test]
async fn documented_fields_sort_both_ways() {
    let world = World::new().await;
    let root = world.root();
    root.post("/api/mandates", json!({ "name": "beta", "code": "zz" })).await.expect(201);
    for (path, field, ascending) in [
        ("/api/mandates", "name", vec!["Acme", "beta", "Globex"]),
        ("/api/mandates", "code", vec!["Acme", "Globex", "beta"]),
        ("/api/mandates", "createdAt", vec!["Acme", "Globex", "beta"]),
    ] {
        for (sort, descending) in [(field.to_owned(), false), (format!("-{field}"), true)] {
            let mut expected = ascending.clone();
            if descending {
                expected.reverse();
            }
            let whole = root.get(format!("{path}?sort={sort}")).await.expect(200);
            assert_eq!(values(&whole, "name"), expected, "{sort}");
            let first = root.get(format!("{path}?sort={sort}&limit=1")).await.expect(200);
            let rest =
                root.get(format!("{path}?sort={sort}&cursor={}", next(&first))).await.expect(200);
            assert_eq!(values(&rest, "name"), expected[1..], "{sort}");
        }
    }
    for (path, name) in
        [("/api/users?sort=username", "username"), ("/api/users?sort=createdAt", "createdAt")]
    {
        let listed = values(&root.get(path).await.expect(200), name);
        assert!(listed.is_sorted(), "{listed:?}");
        let mut reversed =
            values(&root.get(path.replace("sort=", "sort=-")).await.expect(200), name);
        reversed.reverse();
        assert_eq!(reversed, listed);
    }
}
