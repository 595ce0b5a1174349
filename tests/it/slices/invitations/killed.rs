//! `kill -9` while somebody accepts: all of it is there afterwards, or nothing, the token included.

use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;
use reqwest::Client;
use serde_json::{Value, json};

use super::{ACCEPT, Post};
use crate::harness::process::Service;
use crate::harness::world::Person;
use crate::slices::registration::CHOSEN;

/// Where the service dies, and whether somebody was made a member by then.
const REGISTERING: [(&str, bool); 4] =
    [("after_claim", false), ("after_effect", false), ("before_commit", false), DONE];
const SIGNED_IN: [(&str, bool); 3] = [("after_claim", false), ("before_commit", false), DONE];
const DONE: (&str, bool) = ("before_answer", true);

/// Nobody hears of it: the connection breaks.
async fn dies(post: &Post, moment: &'static str, who: Option<&Person>, body: &Value) {
    let mut dying = Service::beside(&post.world.app, Some(moment)).await;
    let request = Client::new().post(format!("{}{ACCEPT}", dying.base)).json(body);
    let request = match who {
        Some(person) => request.bearer_auth(&person.token),
        None => request,
    };
    let answer = request.send().await;
    assert!(answer.is_err(), "{moment}: answered although it was to die: {answer:?}");
    let status = tokio::task::spawn_blocking(move || dying.ended()).await.unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{moment}: {status}");
}

/// Accounts, members and those admitted to instances.
async fn made(post: &Post) -> [i64; 3] {
    let app = &post.world.app;
    [
        app.count("select count(*) from users").await,
        app.count("select count(*) from memberships").await,
        app.count("select count(*) from audit_events where action = 'user_added_to_mandate'").await,
    ]
}

/// Accepts again, where that can be done.
async fn goes_on(post: &Post, who: Option<&Person>, (body, is_done): (&Value, bool)) {
    let call = post.world.app.post(ACCEPT).json(body.clone());
    let again = match who {
        Some(person) => call.bearer(&person.token),
        None => call,
    };
    let again = again.send().await;
    let well = if who.is_some() { 200 } else { 201 };
    again.expect(if is_done { 410 } else { well });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_registers_has_an_account_and_a_membership_or_neither() {
    let post = Post::new().await;
    for (number, (moment, is_done)) in REGISTERING.into_iter().enumerate() {
        let (invitation, token) = post.invited(&format!("killed{number}@example.com")).await;
        let register = json!({ "username": format!("killed{number}"), "password": CHOSEN });
        let body = json!({ "token": token, "register": register });
        let before = made(&post).await;
        dies(&post, moment, None, &body).await;
        let gained = i64::from(is_done);
        assert_eq!(made(&post).await, before.map(|number| number + gained), "{moment}");
        let status = if is_done { "accepted" } else { "pending" };
        assert_eq!(post.told(invitation).await["status"], status, "{moment}");
        goes_on(&post, None, (&body, is_done)).await;
        assert_eq!(made(&post).await, before.map(|number| number + 1), "{moment}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_signed_in_is_a_member_or_not() {
    let post = Post::new().await;
    for (number, (moment, is_done)) in SIGNED_IN.into_iter().enumerate() {
        let name = format!("guest{number}");
        let address = format!("{name}@example.com");
        let person = post.world.stranger(&name).await;
        let (invitation, token) = post.invited(&address).await;
        let (body, [accounts, members, events]) = (json!({ "token": token }), made(&post).await);
        dies(&post, moment, Some(&person), &body).await;
        let gained = i64::from(is_done);
        assert_eq!(made(&post).await, [accounts, members + gained, events + gained], "{moment}");
        let status = if is_done { "accepted" } else { "pending" };
        assert_eq!(post.told(invitation).await["status"], status, "{moment}");
        goes_on(&post, Some(&person), (&body, is_done)).await;
        assert_eq!(made(&post).await, [accounts, members + 1, events + 1], "{moment}");
    }
}
