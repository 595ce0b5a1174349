//! Versions of playbooks: numbers, content and its limits, editing, listing.

use std::fmt::Write;

use axum::http::Method;
use serde_json::{Value, json};

use super::kit::{Desk, points_at};
use super::playbook_kit::{made, numbers, path, stage, version, versions, written};
use crate::harness::app::Answer;

/// The most bytes that a content has.
const MOST: usize = 1 << 20;

async fn numbered(desk: &Desk<'_>, playbook: &str, number: impl Into<Value>) -> Answer {
    desk.post(versions(playbook), json!({ "content": "x", "version": number.into() })).await
}

#[tokio::test]
async fn versions_are_numbered() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    let first = desk.post(versions("p"), json!({ "content": "one" })).await;
    assert_eq!(first.header("etag"), "\"1\"");
    let location = first.header("location").to_owned();
    let body = first.expect(201);
    assert_eq!(
        [&body["number"], &body["revision"], &body["size"]],
        [&json!(1), &json!(1), &json!(3)],
        "{body}"
    );
    assert_eq!((&body["ownerId"], &body["content"]), (&json!(wanda.id), &json!("one")));
    assert_eq!(desk.get(location).await.expect(200), body);
    // Gaps are allowed; the next is after the highest.
    assert_eq!(numbered(&desk, "p", 7).await.expect(201)["number"], json!(7));
    assert_eq!(written(&desk, "p", "x").await, 8);
    assert_eq!(numbered(&desk, "p", 3).await.expect(201)["number"], json!(3));
    assert_eq!(written(&desk, "p", "x").await, 9);
    for taken in [1, 3, 7, 9] {
        numbered(&desk, "p", taken).await.refused(409, "version_exists");
    }
    assert_eq!(desk.get(path("p")).await.expect(200)["latestVersion"], json!(9));
    assert_eq!(desk.get("/api/playbooks").await.expect(200)["items"][0]["latestVersion"], json!(9));
    for wrong in [json!(0), json!(-1), json!(1.5), json!("2"), json!(i64::MAX), json!(u64::MAX)] {
        points_at(&numbered(&desk, "p", wrong).await, "/version");
    }
}

#[tokio::test]
async fn a_version_that_is_numbered_too_high_takes_no_number_from_the_next() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    for beyond in [1_000_000_001, i32::MAX] {
        points_at(&numbered(&desk, "p", beyond).await, "/version");
    }
    assert_eq!(written(&desk, "p", "x").await, 1);
}

/// The number that a client may ask for ends at a thousand million; the service counts on.
#[tokio::test]
async fn the_highest_number_leaves_a_next_one() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    numbered(&desk, "p", 1_000_000_000).await.expect(201);
    numbered(&desk, "p", 1_000_000_000).await.refused(409, "version_exists");
    assert_eq!(written(&desk, "p", "x").await, 1_000_000_001);
}

#[tokio::test]
async fn those_who_race_for_the_next_number_all_get_one() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    let make = |content: &'static str| desk.post(versions("p"), json!({ "content": content }));
    let answers: [Answer; 5] =
        tokio::join!(make("a"), make("b"), make("c"), make("d"), make("e")).into();
    let mut found: Vec<_> =
        answers.into_iter().map(|answer| answer.expect(201)["number"].as_i64().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, [1, 2, 3, 4, 5]);
    assert_eq!(desk.get(path("p")).await.expect(200)["latestVersion"], json!(5));
    let answers: [Answer; 4] = tokio::join!(
        numbered(&desk, "p", 9),
        numbered(&desk, "p", 9),
        numbered(&desk, "p", 9),
        numbered(&desk, "p", 9)
    )
    .into();
    let won = answers.iter().filter(|answer| answer.status.as_u16() == 201).count();
    let lost = answers.iter().filter(|answer| answer.code() == "version_exists").count();
    assert_eq!((won, lost), (1, 3));
}

#[tokio::test]
async fn a_number_in_a_path_that_is_none_is_refused_like_an_unknown_one() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    written(&desk, "p", "x").await;
    desk.get(version("p", 2)).await.refused(404, "not_found");
    desk.get(version("unknown", 1)).await.refused(404, "not_found");
    desk.get(versions("unknown")).await.refused(404, "not_found");
    desk.post(versions("unknown"), json!({ "content": "x" })).await.refused(404, "not_found");
    for odd in
        ["0", "-1", "abc", "1.0", "99999999999999999999", "9223372036854775807", "2147483648"]
    {
        let answer = desk.get(format!("{}/{odd}", versions("p"))).await;
        assert!(
            matches!(
                (answer.status.as_u16(), answer.code()),
                (400, "invalid_parameter") | (404, "not_found")
            ),
            "{odd}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_content_is_kept_as_it_came() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    let planes: String = (0..=16_u32)
        .flat_map(|plane| [0x0_u32, 0x41, 0xFFFD, 0xFFFF].map(|low| (plane << 16) + low))
        .skip(1)
        .filter_map(char::from_u32)
        .collect();
    for content in [
        "  x \r\n\t",
        "\u{1}\u{1f}\u{7f}\u{2028}\u{feff}",
        "e\u{301}\u{e9}",
        "</script>\"\\'%00\\u0000",
        &planes,
    ] {
        let made = desk.post(versions("p"), json!({ "content": content })).await.expect(201);
        assert_eq!(made["size"], json!(content.len()));
        let number = made["number"].as_i64().unwrap();
        assert_eq!(desk.get(version("p", number)).await.expect(200)["content"], content);
        desk.put(version("p", number), json!({ "content": "between" })).await.expect(200);
        let rolled_back = format!("{}/rollback", version("p", number));
        assert_eq!(desk.put(rolled_back, json!({})).await.expect(200)["content"], content);
    }
}

#[tokio::test]
async fn a_content_that_is_none_is_refused() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    written(&desk, "p", "x").await;
    for body in [
        json!({ "content": "" }),
        json!({ "content": " \n\t\u{a0}\u{3000}" }),
        json!({ "content": "a\u{0}b" }),
        json!({ "content": null }),
        json!({ "content": 7 }),
        json!({}),
    ] {
        points_at(&desk.post(versions("p"), body.clone()).await, "/content");
        points_at(&desk.put(version("p", 1), body).await, "/content");
    }
    let lone = r#"{"content": "\ud83d"}"#;
    let answer = desk.ask(Method::POST, versions("p")).raw("application/json", lone).send().await;
    assert!(matches!(answer.status.as_u16(), 400 | 422), "{}", answer.body);
    assert_eq!(desk.get(version("p", 1)).await.expect(200)["revision"], json!(1));
    assert_eq!(numbers(&desk, &versions("p"), 9).await, [[1]]);
}

/// The same text as JSON in which every character is escaped, so that it takes six times its bytes.
fn escaped(content: &str) -> String {
    let mut body = String::from(r#"{"content": ""#);
    for unit in content.encode_utf16() {
        write!(body, "\\u{unit:04x}").unwrap();
    }
    body + r#""}"#
}

#[tokio::test]
async fn a_content_of_one_mebibyte_is_the_largest_however_it_is_written() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    for content in
        ["x".repeat(MOST), "é".repeat(MOST / 2), "\u{1}".repeat(MOST), "🚀".repeat(MOST / 4)]
    {
        let one_more = format!("{content}x");
        for written in
            [escaped as fn(&str) -> String, |content| json!({ "content": content }).to_string()]
        {
            let ask = |method, path: String, body: &str| {
                desk.ask(method, path).raw("application/json", body).send()
            };
            let made = ask(Method::POST, versions("p"), &written(&content)).await.expect(201);
            assert_eq!(made["size"], json!(MOST));
            let number = made["number"].as_i64().unwrap();
            assert!(desk.get(version("p", number)).await.expect(200)["content"] == *content);
            ask(Method::PUT, version("p", number), &written(&content)).await.expect(200);
            for (method, path) in
                [(Method::POST, versions("p")), (Method::PUT, version("p", number))]
            {
                let answer = ask(method, path, &written(&one_more)).await;
                points_at(&answer, "/content");
                assert!(
                    answer.body["errors"][0]["detail"].as_str().unwrap().contains("1048576"),
                    "{}",
                    answer.body
                );
            }
        }
    }
}

#[tokio::test]
async fn what_no_content_can_need_is_too_large() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    let huge = json!({ "content": "x".repeat(16 * MOST) });
    for answer in
        [desk.post(versions("p"), huge.clone()).await, desk.put(version("p", 1), huge).await]
    {
        answer.refused(413, "payload_too_large");
    }
    let large = json!({ "name": "q", "title": "x", "description": "x".repeat(3 * MOST) });
    desk.post("/api/playbooks", large).await.refused(413, "payload_too_large");
}

#[tokio::test]
async fn the_list_of_versions_is_newest_first_and_shows_no_content() {
    let (world, wanda) = stage().await;
    let desk = world.desk(&wanda, &world.acme);
    made(&desk, "p").await;
    made(&desk, "empty").await;
    for number in [2, 10, 1, 9, 30] {
        numbered(&desk, "p", number).await.expect(201);
    }
    assert_eq!(numbers(&desk, &versions("p"), 2).await, [vec![30, 10], vec![9, 2], vec![1]]);
    assert_eq!(numbers(&desk, &versions("empty"), 2).await, [Vec::<i64>::new()]);
    desk.put(version("p", 9), json!({ "content": "secret words" })).await.expect(200);
    let page = desk.get(versions("p")).await.expect(200);
    assert!(
        !page.to_string().contains("secret words") && !page.to_string().contains("\"content\""),
        "{page}"
    );
    let nine = &page["items"][2];
    assert_eq!(
        [&nine["number"], &nine["revision"], &nine["size"]],
        [&json!(9), &json!(2), &json!(12)],
        "{nine}"
    );
    assert_eq!(nine["ownerId"], json!(wanda.id));
    assert!(nine["createdAt"].is_string() && nine["updatedAt"].is_string(), "{nine}");
    let first = desk.get(format!("{}?limit=2", versions("p"))).await.expect(200);
    numbered(&desk, "p", 31).await.expect(201);
    desk.delete(version("p", 10)).await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = desk.get(format!("{}?limit=2&cursor={cursor}", versions("p"))).await.expect(200);
    assert_eq!(
        [&second["items"][0]["number"], &second["items"][1]["number"]],
        [&json!(9), &json!(2)]
    );
    for wrong in ["limit=0", "cursor=x", "sort=colour"] {
        desk.get(format!("{}?{wrong}", versions("p"))).await.refused(400, "invalid_parameter");
    }
    desk.get(format!("{}?q=x", versions("p"))).await.refused(400, "unknown_parameter");
}
