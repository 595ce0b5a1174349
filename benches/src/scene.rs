//! The scene of one seed: a database with the load in it, and what the service asks the database
//! for each request that is measured.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use embedded_postgres::EmbeddedPostgres;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::asking::Asking;
use crate::children::{Serving, Site, clean, free_address};
use crate::client;
use crate::effort::Effort;
use crate::people::People;
use crate::plan::{Ask, Endpoint, Plan, Visit};
use crate::record::{Record, Recorder};
use crate::requests::{self, Request};

pub const ISSUER: &str = "http://bench.invalid";
/// Not secret: it signs tokens of a throw-away database.
pub const SECRET: [u8; 32] = [7; 32];
/// The same in standard base64, as the service wants it.
const SECRET_TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// So many ask at a time before anything is counted; and how many requests are counted.
const AT_ONCE: usize = 32;
const COUNTED: u32 = 20;
/// How often it is tried to count them.
const ATTEMPTS: u32 = 10;

/// Everything of one seed.
pub struct Scene {
    pub database: String,
    pub plan: Plan,
    /// Round trips for each request, in the order of the plan's endpoints.
    pub round_trips: Vec<RoundTrips>,
    /// The model of the question, as the service has it.
    pub asking: Asking,
}

/// How often a request makes the service wait for the database, and how often a connection is
/// tested after it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RoundTrips {
    pub asked: f64,
    pub pings: f64,
}

/// Where things are.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    pub site: &'a Site,
    pub cluster: &'a EmbeddedPostgres,
    pub effort: Effort,
    /// Where the peers were put, if they are asked.
    pub peers: Option<&'a Path>,
}

/// A service, with what it asks the database noted. It ends with this value.
pub struct Watched {
    pub service: Serving,
    pub recorder: Recorder,
    _sockets: TempDir,
}

impl Places<'_> {
    fn url(sockets: &Path, database: &str) -> String {
        let host = sockets.to_string_lossy().replace('%', "%25").replace('/', "%2F");
        format!("postgres://postgres@localhost/{database}?sslmode=disable&host={host}")
    }

    pub fn settings(url: &str) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", url.to_owned()),
            ("BAILIWICK_SECRET_KEY", SECRET_TEXT.to_owned()),
            ("BAILIWICK_ISSUER", ISSUER.to_owned()),
            ("BAILIWICK_RATE_LIMITS", "off".to_owned()),
            ("BAILIWICK_METRICS_LISTEN", "off".to_owned()),
            ("BAILIWICK_DATABASE_POOL", crate::plan::WORK_CONNECTIONS.to_string()),
        ]
    }

    /// The service on a database.
    pub async fn serve(&self, url: &str) -> Result<Serving> {
        let address = free_address()?;
        let mut command = clean(&self.site.service);
        command.arg("serve").envs(Self::settings(url)).env("BAILIWICK_LISTEN", address.to_string());
        Serving::start(self.site, command, address, ("/readyz", 200)).await
    }

    /// The same, with a witness between the two.
    pub async fn serve_watched(&self, database: &str) -> Result<Watched> {
        let sockets = tempfile::tempdir_in(&self.site.folder)?;
        let upstream = self.cluster.socket_directory().join(".s.PGSQL.5432");
        let recorder = Recorder::start(&sockets.path().join(".s.PGSQL.5432"), &upstream)?;
        let service = self.serve(&Self::url(sockets.path(), database)).await?;
        Ok(Watched { service, recorder, _sockets: sockets })
    }

    /// A new database with the load of this seed.
    pub async fn load(&self, database: &str, seed: u64) -> Result<String> {
        let mut connection =
            PgConnection::connect_with(&self.cluster.connect_options("postgres")).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("create database {database}")))
            .execute(&mut connection)
            .await?;
        let url = Self::url(self.cluster.socket_directory(), database);
        let mut command = clean(&self.site.service);
        command.args(["seed", "load", "--i-know-these-passwords-are-public"]);
        command.args(["--seed", &seed.to_string()]).args(self.effort.load);
        command.envs(Self::settings(&url)).current_dir(&self.site.folder).kill_on_drop(true);
        let output = command.output().await?;
        anyhow::ensure!(
            output.status.success(),
            "the load could not be made: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        // What was written in one go is settled before anything is measured.
        let mut connection =
            PgConnection::connect_with(&self.cluster.connect_options(database)).await?;
        for statement in ["vacuum analyze", "checkpoint"] {
            sqlx::raw_sql(statement).execute(&mut connection).await?;
        }
        Ok(url)
    }
}

impl Scene {
    /// Makes the load and watches the service answer each request.
    pub async fn set(places: &Places<'_>, seed: u64) -> Result<Self> {
        let database = format!("load_{seed}");
        let url = places.load(&database, seed).await?;
        let Watched { service, recorder, .. } = &places.serve_watched(&database).await?;
        let people = People::sign_in(service.address, 0..places.effort.callers).await?;
        let asking = Asking::prepare(places, &url, service.address, &people).await?;
        let requests = requests::all(service.address, &people, &asking).await?;
        let mut scene = Self {
            database,
            plan: Plan {
                secret: SECRET,
                issuer: ISSUER.to_owned(),
                database_url: url,
                endpoints: Vec::new(),
            },
            round_trips: Vec::new(),
            asking,
        };
        for request in requests {
            scene.watch(service, recorder, request, places.effort.warm_ups).await?;
        }
        Ok(scene)
    }

    async fn watch(
        &mut self,
        service: &Serving,
        recorder: &Recorder,
        request: Request,
        warm_ups: usize,
    ) -> Result<()> {
        let Request { name, ask, status, answer: answers_by } = request;
        warm_up(service.address, &ask, warm_ups).await?;
        let (round_trips, visits, answer) = counted(name, service, recorder, &ask).await?;
        anyhow::ensure!(
            answer.status == status,
            "{} answered {}: {}",
            ask.path,
            answer.status,
            answer.body
        );
        self.plan.endpoints.push(Endpoint {
            name: name.to_owned(),
            ask,
            status,
            body: answer.body,
            answer: answers_by,
            visits,
        });
        self.round_trips.push(round_trips);
        Ok(())
    }

    /// Writes the plan for the bare handlers.
    pub fn write_plan(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join("plan.json");
        std::fs::write(&path, serde_json::to_vec(&self.plan)?)?;
        Ok(path)
    }
}

/// What a request makes the service ask. The service also works by itself now and then; what is
/// counted meanwhile is counted again.
async fn counted(
    name: &str,
    service: &Serving,
    recorder: &Recorder,
    ask: &Ask,
) -> Result<(RoundTrips, Vec<Visit>, client::Answer)> {
    let mut last = Record::default();
    for _ in 0..ATTEMPTS {
        settle().await;
        recorder.collect();
        for _ in 0..COUNTED {
            client::send(service.address, ask).await?;
        }
        settle().await;
        let many = recorder.collect();
        let answer = client::send(service.address, ask).await?;
        settle().await;
        let one = recorder.collect();
        if many.others.is_empty() && many.asked == one.asked * COUNTED {
            let each = |count: u32| f64::from(count) / f64::from(COUNTED);
            let round_trips = RoundTrips { asked: each(many.asked), pings: each(many.pings) };
            return Ok((round_trips, one.visits, answer));
        }
        last = many;
    }
    let Record { asked, others, .. } = last;
    anyhow::bail!("{name}: {COUNTED} requests ask {asked} times, and what is not known: {others:?}")
}

/// A pool tests a connection after the answer is on its way.
pub async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}

/// Every connection of the pools has met the statements: each prepares them for itself.
async fn warm_up(address: SocketAddr, ask: &Ask, times: usize) -> Result<()> {
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let ask = ask.clone();
        asking.spawn(async move {
            for _ in 0..times {
                client::send(address, &ask).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    asking.join_all().await.into_iter().collect()
}
