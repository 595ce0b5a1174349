//! A change of access that concerns 10,000 members at once: how often it makes the service ask the
//! database, beside the same in a small mandate, and what others notice of many such changes.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::asking::{id, mandate};
use crate::client;
use crate::effort::Effort;
use crate::load::Measured;
use crate::people::{People, Person};
use crate::plan::{Ask, Headers};
use crate::scene::{Places, Watched, settle};
use crate::turns::Turns;

/// Three mandates of as many members each, of whom a third are not in the first.
const LOAD: [&str; 5] =
    ["--mandates=3", "--users=15000", "--memberships=30000", "--instances=12", "--accesses=100"];
const SMALL_LOAD: [&str; 5] =
    ["--mandates=3", "--users=300", "--memberships=600", "--instances=12", "--accesses=100"];
/// Among these somebody is not in the first mandate; users of the lowest numbers are.
const LOOKED_AT: Range<usize> = 100..120;
/// How many changes are counted; the service also works by itself meanwhile, and prepares
/// statements, so that the fewest round trips are those of the change.
const COUNTED: usize = 40;

#[derive(Debug, Serialize)]
pub struct Crowd {
    pub members: u64,
    /// Round trips of a change, and of the same in the first mandate of the small load.
    pub round_trips: usize,
    pub round_trips_small: usize,
    /// Of somebody in another mandate, while nothing changes and while access does.
    pub quiet: Vec<Measured>,
    pub meanwhile: Vec<Measured>,
    /// Changes that were made meanwhile.
    pub changes: u64,
}

/// The service on such a load, with a witness between it and the database.
struct Place {
    watched: Watched,
    people: People,
    in_mandate: Headers,
    role: String,
}

pub async fn measure(turns: Turns<'_>, places: &Places<'_>) -> Result<Crowd> {
    eprintln!("access changes in a mandate of many members");
    let (load, small): (&'static [_], &'static [_]) =
        if turns.effort.measures() { (&LOAD, &SMALL_LOAD) } else { (&SMALL_LOAD, &SMALL_LOAD) };
    let small = Place::of(places, small, "crowd_small", 0..0).await?;
    let round_trips_small = small.round_trips().await?;
    drop(small);
    let large = Place::of(places, load, "crowd", LOOKED_AT).await?;
    let round_trips = large.round_trips().await?;
    let ask = large.somebody_else().await?;
    let mut crowd = Crowd {
        members: large.members().await?,
        round_trips,
        round_trips_small,
        quiet: Vec::new(),
        meanwhile: Vec::new(),
        changes: 0,
    };
    let address = large.watched.service.address;
    for _ in 0..turns.effort.rounds {
        crowd.quiet.push(turns.tools.ask(address, &ask, turns.effort.turn).await?);
        let over = Arc::new(AtomicBool::new(false));
        let changing = tokio::spawn(large.change_until(over.clone()));
        let measured = turns.tools.ask(address, &ask, turns.effort.turn).await;
        over.store(true, Ordering::Relaxed);
        crowd.changes += changing.await??;
        crowd.meanwhile.push(measured?);
    }
    let errors = crowd.quiet.iter().chain(&crowd.meanwhile).map(|measured| measured.errors);
    anyhow::ensure!(errors.sum::<u64>() == 0, "others were refused");
    Ok(crowd)
}

impl Place {
    async fn of(
        places: &Places<'_>,
        load: &'static [&'static str],
        database: &str,
        people: Range<usize>,
    ) -> Result<Self> {
        let places = Places { effort: Effort { load, ..places.effort }, ..*places };
        places.load(database, 1).await?;
        let watched = places.serve_watched(database).await?;
        let address = watched.service.address;
        let people = People::sign_in(address, std::iter::once(0).chain(people)).await?;
        let admin = &people.first().headers;
        let header = mandate(address, admin).await?;
        let path = format!("/api/mandates/{}/roles", header.1);
        let in_mandate = [&admin[..], &[header]].concat();
        let roles = client::get(address, &path, &in_mandate).await?.json()?;
        let roles = roles["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let role = roles.iter().find(|role| role["label"] == "user").context("no such role")?;
        let role = id(role)?.to_owned();
        Ok(Self { watched, people, in_mandate, role })
    }

    /// The fewest of many changes.
    async fn round_trips(&self) -> Result<usize> {
        let mut fewest = usize::MAX;
        for number in 0..COUNTED {
            settle().await;
            self.watched.recorder.collect();
            change(self.watched.service.address, &self.in_mandate, &self.role, number).await?;
            let noted = self.watched.recorder.collect();
            // What cannot be repeated was asked all the same.
            fewest = fewest.min(usize::try_from(noted.asked)? + noted.others.len());
        }
        Ok(fewest)
    }

    /// Changes access again and again; how often it did.
    fn change_until(
        &self,
        over: Arc<AtomicBool>,
    ) -> impl Future<Output = Result<u64>> + Send + 'static {
        let (address, headers, role) =
            (self.watched.service.address, self.in_mandate.clone(), self.role.clone());
        async move {
            let mut changes = 0;
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                change(address, &headers, &role, number).await?;
                changes += 1;
            }
            Ok(changes)
        }
    }

    async fn members(&self) -> Result<u64> {
        let (_, mandate) = self.in_mandate.last().context("no mandate")?;
        let path = format!("/api/mandates/{mandate}/users?limit=1&count=true");
        let page =
            client::get(self.watched.service.address, &path, &self.in_mandate).await?.json()?;
        Ok(page["total"].as_u64().unwrap_or_default())
    }

    /// What somebody asks who is not in the mandate that changes.
    async fn somebody_else(&self) -> Result<Ask> {
        let (_, changing) = self.in_mandate.last().context("no mandate")?;
        for Person { headers, .. } in self.people.all() {
            let me =
                client::get(self.watched.service.address, "/api/auth/me", headers).await?.json()?;
            let mandates = me["mandates"].as_array().map(Vec::as_slice).unwrap_or_default();
            let ids: Vec<&str> = mandates.iter().map(id).collect::<Result<_>>()?;
            if let (false, Some(own)) = (ids.contains(&changing.as_str()), ids.first()) {
                let header = ("X-Mandate-Id".to_owned(), (*own).to_owned());
                return Ok(Ask::get("/api/access/me", [&headers[..], &[header]].concat()));
            }
        }
        anyhow::bail!("everybody is in the first mandate")
    }
}

/// What all who hold the role may read, or may not any more.
async fn change(
    service: SocketAddr,
    headers: &Headers,
    role: &str,
    number: usize,
) -> Result<Value> {
    let level = if number.is_multiple_of(2) { "a" } else { "m" };
    let members =
        json!({ "view": true, "read": level, "create": "n", "update": "n", "delete": "n" });
    let body = json!({ "tables": { "members": members } });
    let path = format!("/api/roles/{role}/permissions");
    client::call(service, ("PUT", &path), headers, &body).await?.json()
}
