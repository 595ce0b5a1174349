//! The measuring itself: sides of one endpoint, in turn, round after round.

use anyhow::{Context, Result};
use embedded_postgres::EmbeddedPostgres;
use serde::Serialize;

use crate::children::{Memory, Serving, Site, clean, free_address};
use crate::client;
use crate::cpu;
use crate::effort::{Effort, Turn};
use crate::load::{self, Measured, Server, Tools, precise};
use crate::plan::Endpoint;
use crate::replay::PgbenchScript;
use crate::scene::{Places, RoundTrips, Scene};

/// Every side of one endpoint, with what each round gave.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub seed: u64,
    pub endpoint: String,
    pub path: String,
    pub status: u16,
    pub body_bytes: usize,
    pub round_trips: RoundTrips,
    pub sides: Vec<Side>,
}

#[derive(Debug, Serialize)]
pub struct Side {
    pub name: &'static str,
    pub rounds: Vec<Round>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    #[serde(flatten)]
    pub measured: Measured,
    /// Processor seconds for each request: of the process that answers, and of PostgreSQL.
    pub handler_cpu: f64,
    pub database_cpu: f64,
}

/// What the service's process held.
#[derive(Debug, Serialize)]
pub struct Held {
    pub seed: u64,
    pub idle: Memory,
    pub loaded: Memory,
}

/// Who answers a side, and how it is asked.
enum Target {
    Http { url: String, pid: u32 },
    Pgbench { script: PgbenchScript, role: &'static str },
}

struct Measuring<'a> {
    effort: Effort,
    tools: &'a Tools,
    places: &'a Places<'a>,
    scene: &'a Scene,
}

/// Measures every endpoint of a seed.
pub async fn seed(
    seed: u64,
    effort: Effort,
    tools: &Tools,
    places: &Places<'_>,
) -> Result<(Vec<Outcome>, Held)> {
    eprintln!("seed {seed}: making the load, and watching what the service asks of the database");
    let scene = Scene::set(places, seed).await?;
    let service = places.serve(&scene.plan.database_url).await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let idle = service.memory()?;
    let bare = start_bare(&scene, places.site).await?;
    let measuring = Measuring { effort, tools, places, scene: &scene };
    let mut outcomes = Vec::new();
    for (endpoint, round_trips) in scene.plan.endpoints.iter().zip(&scene.round_trips) {
        let sides = measuring.sides(endpoint, &service, &bare)?;
        let sides = measuring.measure(endpoint, sides).await?;
        let (name, path) = (endpoint.name.clone(), endpoint.path.clone());
        let body_bytes = endpoint.body.len();
        outcomes.push(Outcome {
            seed,
            endpoint: name,
            path,
            status: endpoint.status,
            body_bytes,
            round_trips: *round_trips,
            sides,
        });
    }
    let loaded = service.memory()?;
    bare.stop().await?;
    service.stop().await?;
    Ok((outcomes, Held { seed, idle, loaded }))
}

async fn start_bare(scene: &Scene, site: &Site) -> Result<Serving> {
    let address = free_address()?;
    let mut command = clean(&std::env::current_exe()?);
    command.arg("bare").arg(scene.write_plan(&site.folder)?).arg(address.to_string());
    Serving::start(site, command, address, ("/", 404)).await
}

impl Measuring<'_> {
    fn sides(
        &self,
        endpoint: &Endpoint,
        service: &Serving,
        bare: &Serving,
    ) -> Result<Vec<(&'static str, Target)>> {
        let http = |serving: &Serving, path: &str| -> Result<Target> {
            let pid = serving.pid().context("it has ended")?;
            Ok(Target::Http { url: format!("http://{}{path}", serving.address), pid })
        };
        let name = &endpoint.name;
        let mut sides = vec![
            ("service", http(service, &endpoint.path)?),
            ("bare", http(bare, &format!("/bytes/{name}"))?),
            ("bare + sqlx", http(bare, &format!("/statements/{name}"))?),
        ];
        if endpoint.transaction().is_some() {
            sides.push((
                "bare + sqlx, transaction only",
                http(bare, &format!("/transaction/{name}"))?,
            ));
        }
        let Some(visit) = endpoint.transaction().or(endpoint.visits.first()) else {
            return Ok(sides);
        };
        if self.tools.pgbench.is_some() {
            let role = if visit.reader { "bailiwick_system" } else { "bailiwick_runtime" };
            sides.push((
                "pgbench",
                Target::Pgbench { script: PgbenchScript::of(visit, false), role },
            ));
            sides.push((
                "pgbench, no walls",
                Target::Pgbench { script: PgbenchScript::of(visit, true), role: "postgres" },
            ));
        }
        Ok(sides)
    }

    async fn measure(
        &self,
        endpoint: &Endpoint,
        targets: Vec<(&'static str, Target)>,
    ) -> Result<Vec<Side>> {
        let mut sides: Vec<_> =
            targets.iter().map(|(name, _)| Side { name, rounds: Vec::new() }).collect();
        for (_, target) in &targets {
            self.check(endpoint, target).await?;
            if self.effort.measures() {
                self.once(endpoint, target, Turn::Seconds(1)).await?;
            }
        }
        for round in 1..=self.effort.rounds {
            eprintln!("{}: round {round} of {}", endpoint.name, self.effort.rounds);
            for ((_, target), side) in targets.iter().zip(&mut sides) {
                side.rounds.push(self.once(endpoint, target, self.effort.turn).await?);
            }
        }
        Ok(sides)
    }

    fn headers(&self, endpoint: &Endpoint) -> Result<Vec<(String, String)>> {
        let mut headers = endpoint.headers.clone();
        headers.push(self.scene.credentials()?);
        Ok(headers)
    }

    /// All sides answer alike, or the ratio would say nothing.
    async fn check(&self, endpoint: &Endpoint, target: &Target) -> Result<()> {
        let Target::Http { url, .. } = target else { return Ok(()) };
        let (address, path) = client::parts(url)?;
        let answer = client::get(address, path, &self.headers(endpoint)?).await?;
        let (status, length, wanted) = (answer.status, answer.body.len(), endpoint.body.len());
        let alike = status == endpoint.status && length.abs_diff(wanted) * 100 <= wanted;
        anyhow::ensure!(
            alike,
            "{url} answers {status} with {length} bytes instead of {} with {wanted}: {:.300}",
            endpoint.status,
            answer.body
        );
        Ok(())
    }

    async fn once(&self, endpoint: &Endpoint, target: &Target, turn: Turn) -> Result<Round> {
        let cluster: &EmbeddedPostgres = self.places.cluster;
        let database_before = cpu::of_server(cluster.postmaster_pid());
        let (measured, handler) = match target {
            Target::Http { url, pid } => {
                let before = cpu::of(*pid);
                let measured = self.tools.ask(url, &self.headers(endpoint)?, turn).await?;
                (measured, cpu::of(*pid) - before)
            }
            Target::Pgbench { script, role } => {
                let program = self.tools.pgbench.as_deref().context("pgbench is missing")?;
                let server =
                    Server { sockets: cluster.socket_directory(), database: &self.scene.database };
                let file = self.places.site.folder.join("script.sql");
                (load::pgbench(program, &server, script, &file, role, turn).await?, 0.0)
            }
        };
        anyhow::ensure!(
            measured.errors == 0,
            "{} of {} requests failed",
            measured.errors,
            measured.requests
        );
        let each = precise(measured.requests).max(1.0);
        let database = cpu::of_server(cluster.postmaster_pid()) - database_before;
        Ok(Round { measured, handler_cpu: handler / each, database_cpu: database / each })
    }
}
