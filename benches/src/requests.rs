//! The requests of the service that are measured beside what they could at best be.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::asking::Asking;
use crate::client;
use crate::people::{People, Person};
use crate::plan::{Answer, Ask, Headers};

pub struct Request {
    pub name: &'static str,
    pub ask: Ask,
    pub status: u16,
    pub answer: Answer,
}

const NAVIGATION: &str = "/api/features/my";

pub async fn all(service: SocketAddr, people: &People, asking: &Asking) -> Result<Vec<Request>> {
    let mandate = asking.in_mandate.iter().find(|(name, _)| name == "X-Mandate-Id");
    let (_, mandate) = mandate.context("no mandate")?;
    let members = format!("/api/mandates/{mandate}/users?limit=50");
    let get = |path: &str, headers: &Headers| Ask::get(path, headers.clone());
    let canned = |name, ask| Request { name, ask, status: 200, answer: Answer::Canned };
    let me = people.first();
    let many = |callers| Ask { callers, ..get(NAVIGATION, &me.headers) };
    let headers = people.all().iter().map(|person| person.headers.clone()).collect();
    let mut knowing = Vec::new();
    for person in people.all() {
        knowing.push(known(service, person).await?);
    }
    let hundred = asking.model.questions.get(..100).context("too few questions")?;
    Ok(vec![
        Request { status: 304, ..canned("features-my-304", get(NAVIGATION, &knowing[0])) },
        canned("features-my-200", get(NAVIGATION, &me.headers)),
        Request { status: 304, ..canned("features-my-304-many", many(knowing)) },
        canned("features-my-200-many", many(headers)),
        Request {
            answer: Answer::Members,
            ..canned("members-50", get(&members, &asking.in_mandate))
        },
        canned("access-me", get("/api/access/me", &asking.in_mandate)),
        canned("check-1", asking.ask(&hundred[..1])),
        canned("check-100", asking.ask(hundred)),
    ])
}

/// The headers of somebody who has the navigation already.
async fn known(service: SocketAddr, person: &Person) -> Result<Headers> {
    let navigation = client::get(service, NAVIGATION, &person.headers).await?;
    let tag = navigation.etag.context("/api/features/my has no ETag")?;
    Ok([&person.headers[..], &[("If-None-Match".to_owned(), tag)]].concat())
}
