//! The service's endpoints, each beside what it could at best be.

use anyhow::Result;
use serde::Serialize;

use crate::children::{Memory, Serving, Site, clean, free_address};
use crate::client;
use crate::compare::{self, Compared};
use crate::plan::{Ask, Endpoint};
use crate::replay::PgbenchScript;
use crate::scene::{Places, RoundTrips, Scene};
use crate::turns::{Side, Target, Turns};

/// What was measured of one seed.
pub struct Seed {
    pub outcomes: Vec<Outcome>,
    pub compared: Compared,
    pub held: Held,
}

/// Every side of one endpoint, with what each round gave.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub seed: u64,
    pub endpoint: String,
    /// Method and path.
    pub request: String,
    /// How many ask in turn.
    pub callers: usize,
    pub status: u16,
    pub body_bytes: usize,
    pub round_trips: RoundTrips,
    pub sides: Vec<Side>,
}

/// What the service's process held.
#[derive(Debug, Serialize)]
pub struct Held {
    pub seed: u64,
    pub idle: Memory,
    pub loaded: Memory,
}

struct Measuring<'a> {
    turns: Turns<'a>,
    scene: &'a Scene,
    service: &'a Serving,
    bare: &'a Serving,
}

/// Measures every endpoint of a seed.
pub async fn seed(seed: u64, turns: Turns<'_>, places: &Places<'_>) -> Result<Seed> {
    eprintln!("seed {seed}: making the load, and watching what the service asks of the database");
    let scene = Scene::set(places, seed).await?;
    let service = places.serve(&scene.plan.database_url).await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let idle = service.memory()?;
    let bare = start_bare(&scene, places.site).await?;
    let measuring = Measuring { turns, scene: &scene, service: &service, bare: &bare };
    let mut outcomes = Vec::new();
    for (endpoint, round_trips) in scene.plan.endpoints.iter().zip(&scene.round_trips) {
        outcomes.push(measuring.endpoint(seed, endpoint, *round_trips).await?);
    }
    let loaded = service.memory()?;
    let compared = compare::all(seed, turns, places, &scene, &service).await?;
    bare.stop().await?;
    service.stop().await?;
    Ok(Seed { outcomes, compared, held: Held { seed, idle, loaded } })
}

async fn start_bare(scene: &Scene, site: &Site) -> Result<Serving> {
    let address = free_address()?;
    let mut command = clean(&std::env::current_exe()?);
    command.arg("bare").arg(scene.write_plan(&site.folder)?).arg(address.to_string());
    Serving::start(site, command, address, ("/", 404)).await
}

impl Measuring<'_> {
    async fn endpoint(
        &self,
        seed: u64,
        endpoint: &Endpoint,
        round_trips: RoundTrips,
    ) -> Result<Outcome> {
        let sides = self.sides(endpoint)?;
        for (_, target) in &sides {
            check(endpoint, target).await?;
        }
        let Ask { method, path, .. } = &endpoint.ask;
        Ok(Outcome {
            seed,
            endpoint: endpoint.name.clone(),
            request: format!("{method} {path}"),
            callers: endpoint.ask.callers.len(),
            status: endpoint.status,
            body_bytes: endpoint.body.len(),
            round_trips,
            sides: self.turns.take(&endpoint.name, &sides).await?,
        })
    }

    fn sides(&self, endpoint: &Endpoint) -> Result<Vec<(&'static str, Target<'_>)>> {
        let bare = |side: &str| {
            let path = format!("/{side}/{}", endpoint.name);
            Target::http(self.bare, endpoint.ask.at(path))
        };
        let mut sides = vec![
            ("service", Target::http(self.service, endpoint.ask.clone())?),
            ("bare", bare("bytes")?),
        ];
        // What was asked for one caller says nothing of what is asked for others.
        if endpoint.ask.callers.len() > 1 {
            return Ok(sides);
        }
        sides.push(("bare + sqlx", bare("statements")?));
        if endpoint.transaction().is_some() {
            sides.push(("bare + sqlx, transaction only", bare("transaction")?));
        }
        let visit = endpoint.transaction().or(endpoint.visits.first());
        if let (Some(visit), true) = (visit, self.turns.tools.pgbench.is_some()) {
            let database = self.scene.database.as_str();
            let side = |as_superuser, role| Target::Pgbench {
                database,
                script: PgbenchScript::of(visit, as_superuser),
                role,
            };
            let role = if visit.reader { "bailiwick_system" } else { "bailiwick_runtime" };
            sides.push(("pgbench", side(false, role)));
            sides.push(("pgbench, no walls", side(true, "postgres")));
        }
        Ok(sides)
    }
}

/// All sides answer alike, or the ratio would say nothing.
async fn check(endpoint: &Endpoint, target: &Target<'_>) -> Result<()> {
    let Target::Http { address, ask, .. } = target else { return Ok(()) };
    let answer = client::send(*address, ask).await?;
    let (status, length, wanted) = (answer.status, answer.body.len(), endpoint.body.len());
    let alike = status == endpoint.status && length.abs_diff(wanted) * 100 <= wanted;
    anyhow::ensure!(
        alike,
        "{address}{} answers {status} with {length} bytes instead of {} with {wanted}: {:.300}",
        ask.path,
        endpoint.status,
        answer.body
    );
    Ok(())
}
