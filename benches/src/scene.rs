//! The scene of one seed: a database with the load in it, the requests that are measured, and what
//! the service asks the database for each of them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use bailiwick::kernel::clock::SystemClock;
use bailiwick::kernel::credentials::claims::Claims;
use bailiwick::kernel::credentials::token::Tokens;
use bailiwick::kernel::crypto::Keys;
use embedded_postgres::EmbeddedPostgres;
use serde::Serialize;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinSet;

use crate::children::{Serving, Site, clean, free_address};
use crate::client;
use crate::plan::{Answer, Endpoint, Plan};
use crate::record::Recorder;

const ISSUER: &str = "http://bench.invalid";
/// Not secret: it signs tokens of a throw-away database.
const SECRET: [u8; 32] = [7; 32];
/// The same in standard base64, as the service wants it.
const SECRET_TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
/// So many at a time and so many each before anything is counted; and how many are counted.
const WARM: usize = 32;
const COUNTED: u32 = 20;

/// Everything of one seed.
pub struct Scene {
    pub database: String,
    pub plan: Plan,
    /// Round trips for each request, in the order of the plan's endpoints.
    pub round_trips: Vec<RoundTrips>,
    tokens: Tokens,
    claims: Claims,
}

/// How often a request makes the service wait for the database, and how often a connection is
/// tested after it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RoundTrips {
    pub asked: f64,
    pub pings: f64,
}

/// Where things are.
#[derive(Debug)]
pub struct Places<'a> {
    pub site: &'a Site,
    pub cluster: &'a EmbeddedPostgres,
    /// What `seed load` is told of its size.
    pub size: &'a [&'a str],
}

impl Places<'_> {
    fn url(sockets: &Path, database: &str) -> String {
        let host = sockets.to_string_lossy().replace('%', "%25").replace('/', "%2F");
        format!("postgres://postgres@localhost/{database}?sslmode=disable&host={host}")
    }

    fn settings(url: &str) -> Vec<(&'static str, String)> {
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

    /// A new database with the load of this seed.
    async fn load(&self, database: &str, seed: u64) -> Result<String> {
        let mut connection =
            PgConnection::connect_with(&self.cluster.connect_options("postgres")).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("create database {database}")))
            .execute(&mut connection)
            .await?;
        let url = Self::url(self.cluster.socket_directory(), database);
        let mut command = clean(&self.site.service);
        command.args(["seed", "load", "--i-know-these-passwords-are-public"]);
        command.args(["--seed", &seed.to_string()]).args(self.size);
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
        let sockets = tempfile::tempdir_in(&places.site.folder)?;
        let upstream = places.cluster.socket_directory().join(".s.PGSQL.5432");
        let recorder = Recorder::start(&sockets.path().join(".s.PGSQL.5432"), &upstream)?;
        let service = places.serve(&Places::url(sockets.path(), &database)).await?;

        let keys = Keys::derive(&SECRET);
        let tokens = Tokens::new(
            &keys,
            ISSUER.to_owned(),
            chrono::Duration::minutes(15),
            Arc::new(SystemClock),
        );
        let tokens = tokens.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let signed_in = json!({ "username": "load-0", "password": "bailiwick-demo" });
        let signed_in =
            client::post(service.address, "/api/auth/login", &signed_in).await?.json()?;
        let token = signed_in["accessToken"].as_str().context("no token")?.to_owned();
        let claims =
            tokens.verify(&token).context("a token that the bare handlers would refuse")?;
        let mut scene = Self {
            database,
            plan: Plan {
                secret: SECRET,
                issuer: ISSUER.to_owned(),
                database_url: url,
                endpoints: Vec::new(),
            },
            round_trips: Vec::new(),
            tokens,
            claims,
        };
        for request in requests(service.address, &token, seed).await? {
            scene.watch(&service, &recorder, request).await?;
        }
        service.stop().await?;
        Ok(scene)
    }

    async fn watch(
        &mut self,
        service: &Serving,
        recorder: &Recorder,
        request: Request,
    ) -> Result<()> {
        let mut headers = request.headers;
        headers.push(self.credentials()?);
        let ask = || client::get(service.address, &request.path, &headers);
        warm_up(service.address, &request.path, &headers).await?;
        settle().await;
        recorder.collect();
        for _ in 0..COUNTED {
            ask().await?;
        }
        settle().await;
        let counted = recorder.collect();
        anyhow::ensure!(counted.others == 0, "{} still prepares statements", request.path);
        let answer = ask().await?;
        settle().await;
        let visits = recorder.collect().visits;
        anyhow::ensure!(
            answer.status == request.status,
            "{} answered {}: {}",
            request.path,
            answer.status,
            answer.body
        );
        headers.pop();
        let (name, path) = (request.name.to_owned(), request.path);
        self.plan.endpoints.push(Endpoint {
            name,
            path,
            headers,
            status: answer.status,
            body: answer.body,
            answer: request.answer,
            visits,
        });
        let each = |count: u32| f64::from(count) / f64::from(COUNTED);
        self.round_trips
            .push(RoundTrips { asked: each(counted.asked), pings: each(counted.pings) });
        Ok(())
    }

    /// A new token for the session that signed in: nothing in the database moves by it, so that
    /// caches stay.
    pub fn credentials(&self) -> Result<(String, String)> {
        let (token, _) = self
            .tokens
            .issue(self.claims.user, self.claims.session)
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(("Authorization".to_owned(), format!("Bearer {token}")))
    }

    /// Writes the plan for the bare handlers.
    pub fn write_plan(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join("plan.json");
        std::fs::write(&path, serde_json::to_vec(&self.plan)?)?;
        Ok(path)
    }
}

/// A pool tests a connection after the answer is on its way.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}

/// Every connection of the pools has met the statements: each prepares them for itself.
async fn warm_up(address: SocketAddr, path: &str, headers: &[(String, String)]) -> Result<()> {
    let mut asking = JoinSet::new();
    for _ in 0..WARM {
        let (path, headers) = (path.to_owned(), headers.to_vec());
        asking.spawn(async move {
            for _ in 0..WARM {
                client::get(address, &path, &headers).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    asking.join_all().await.into_iter().collect()
}

struct Request {
    name: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    status: u16,
    answer: Answer,
}

/// What is measured. `load-0` is in five mandates with four instances each, and admin of the first,
/// which has 80 members.
async fn requests(address: SocketAddr, token: &str, seed: u64) -> Result<Vec<Request>> {
    let bearer = ("Authorization".to_owned(), format!("Bearer {token}"));
    let me = client::get(address, "/api/auth/me", std::slice::from_ref(&bearer)).await?.json()?;
    let code = format!("load-{seed}-0");
    let mandates = me["mandates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mandate = mandates.iter().find(|mandate| mandate["code"] == code.as_str());
    let mandate = mandate
        .and_then(|mandate| mandate["id"].as_str())
        .with_context(|| format!("load-0 is not in {code}"))?
        .to_owned();
    let navigation =
        client::get(address, "/api/features/my", std::slice::from_ref(&bearer)).await?;
    let tag = navigation.etag.context("/api/features/my has no ETag")?;
    let in_mandate = vec![("X-Mandate-Id".to_owned(), mandate.clone())];
    let request = |name, path: &str, headers: &[(String, String)], status, answer| Request {
        name,
        path: path.to_owned(),
        headers: headers.to_vec(),
        status,
        answer,
    };
    Ok(vec![
        request(
            "features-my-304",
            "/api/features/my",
            &[("If-None-Match".to_owned(), tag)],
            304,
            Answer::Canned,
        ),
        request("features-my-200", "/api/features/my", &[], 200, Answer::Canned),
        request(
            "members-50",
            &format!("/api/mandates/{mandate}/users?limit=50"),
            &in_mandate,
            200,
            Answer::Members,
        ),
        request("access-me", "/api/access/me", &in_mandate, 200, Answer::Canned),
    ])
}
