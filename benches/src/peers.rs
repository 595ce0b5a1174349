//! Others that answer the same question. They live in `benches/peers`, a package of its own; its
//! `fetch` puts them, in exact versions, into a folder, and from there they are started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::Command;

use crate::children::{Serving, clean, free_address};
use crate::client;
use crate::in_process::Deciding;
use crate::plan::Ask;
use crate::scene::Places;

/// What a peer is, and how its question differs from ours.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Peer {
    pub name: &'static str,
    #[serde(skip)]
    program: Program,
    pub differs: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    Node(&'static str),
    Python(&'static str),
    Rust(&'static str),
}

/// Those with a server; the path tells that it is ready.
const SERVING: [(Peer, &str); 3] = [
    (
        Peer {
            name: "Cerbos",
            program: Program::Node("cerbos.mjs"),
            differs: "is told the user's roles and the row's owner with each question: no token, \
                no database",
        },
        "/_cerbos/health",
    ),
    (
        Peer {
            name: "better-auth",
            program: Program::Node("better-auth.mjs"),
            differs: "knows no rows: whose it is does not count; reads session and member from \
                PostgreSQL",
        },
        "/api/auth/ok",
    ),
    (
        Peer {
            name: "svc-infra",
            program: Program::Python("svc_infra_app.py"),
            differs: "no token: a header says who asks, in which tenant; roles are in memory, and \
                row-level security is not used",
        },
        "/ping",
    ),
];

/// Those that are asked in the program that they are part of.
const IN_PROCESS: [Peer; 3] = [
    Peer {
        name: "SpiceDB, embedded",
        program: Program::Node("spicedb.mjs"),
        differs: "rows and roles are relationships in its memory, asked fully consistent; called \
            from Node",
    },
    Peer {
        name: "cedar-policy",
        program: Program::Rust("cedar-policy"),
        differs: "the user's roles and the row are entities that are there already",
    },
    Peer {
        name: "casbin",
        program: Program::Rust("casbin"),
        differs: "the user's roles are in memory; one thread",
    },
];

/// One that runs.
pub struct Running<T> {
    pub peer: Peer,
    pub version: String,
    pub by: T,
}

/// A peer with a server.
pub struct Server {
    pub serving: Serving,
    pub check: Ask,
    pub list: Option<Ask>,
}

/// All that could be started, and why the others could not.
#[derive(Default)]
pub struct Peers {
    pub servers: Vec<Running<Server>>,
    pub in_process: Vec<Running<Deciding>>,
    pub missing: Vec<Missing>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Missing {
    pub name: &'static str,
    pub why: String,
}

/// A request whose answer is known.
#[derive(Debug, Deserialize)]
struct Expected {
    ask: Ask,
    status: u16,
    /// What its body has in it.
    contains: String,
}

/// What a peer with a server says when it is ready.
#[derive(Debug, Deserialize)]
struct Said {
    version: String,
    check: Expected,
    refused: Expected,
    list: Option<Expected>,
}

impl Peers {
    /// Fetches them, or finds that they have been: the folder with all of them.
    pub async fn fetch() -> Result<PathBuf> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/fetch");
        let mut command = Command::new(script);
        let fetching = command.kill_on_drop(true).output().await;
        let output = fetching.with_context(|| format!("{script} cannot be started"))?;
        let (said, log) =
            (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
        anyhow::ensure!(output.status.success(), "the peers cannot be fetched: {log}");
        Ok(PathBuf::from(said.trim()))
    }

    /// Starts all of them; each is asked a question that it has to allow, and one that it has to
    /// refuse.
    pub async fn start(places: &Places<'_>, folder: &Path, seed: u64, model: &Path) -> Self {
        let mut peers = Self::default();
        for (number, (peer, ready)) in SERVING.into_iter().enumerate() {
            let database = format!("peer_{number}_{seed}");
            match server(places, folder, peer, ready, (&database, model)).await {
                Ok(running) => peers.servers.push(running),
                Err(why) => peers.misses(peer, &why),
            }
        }
        for peer in IN_PROCESS {
            match in_process(places, folder, peer, (seed, model)).await {
                Ok(running) => peers.in_process.push(running),
                Err(why) => peers.misses(peer, &why),
            }
        }
        peers
    }

    fn misses(&mut self, peer: Peer, why: &anyhow::Error) {
        eprintln!("{} is left out: {why:#}", peer.name);
        self.missing.push(Missing { name: peer.name, why: format!("{why:#}") });
    }
}

impl Peer {
    fn command(&self, folder: &Path, arguments: &[&Path]) -> Command {
        let mut command = match self.program {
            Program::Node(script) => {
                let mut command = clean(Path::new("node"));
                command.env("NODE_ENV", "production").arg(folder.join("node").join(script));
                command
            }
            Program::Python(script) => {
                let mut command = clean(&folder.join("python/bin/python"));
                command.arg(folder.join(script));
                command
            }
            Program::Rust(engine) => {
                let mut command = clean(&folder.join("in-process"));
                command.arg(engine);
                command
            }
        };
        command.args(arguments);
        command
    }
}

async fn in_process(
    places: &Places<'_>,
    folder: &Path,
    peer: Peer,
    (seed, model): (u64, &Path),
) -> Result<Running<Deciding>> {
    let site = places.site.apart(&format!("{} {seed}", peer.name))?;
    let (version, by) = Deciding::start(&site, peer.command(folder, &[model])).await?;
    Ok(Running { peer, version, by })
}

async fn server(
    places: &Places<'_>,
    folder: &Path,
    peer: Peer,
    ready: &str,
    (database, model): (&str, &Path),
) -> Result<Running<Server>> {
    let cluster = places.cluster;
    let mut connection = PgConnection::connect_with(&cluster.connect_options("postgres")).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("create database {database}")))
        .execute(&mut connection)
        .await?;
    let site = places.site.apart(database)?;
    let own = &site.folder;
    let address = free_address()?;
    let mut command = peer.command(folder, &[model, own]);
    command.arg(address.to_string());
    command.env("PGHOST", cluster.socket_directory()).env("PGDATABASE", database);
    command.env("PGUSER", "postgres").env("HOME", own);
    let serving = Serving::start_polite(&site, command, address, (ready, 200)).await?;
    let said: Said = serde_json::from_slice(&std::fs::read(own.join("said.json"))?)?;
    for expected in
        [Some(&said.check), Some(&said.refused), said.list.as_ref()].into_iter().flatten()
    {
        expected.hold(address).await?;
    }
    let (check, list) = (said.check.ask, said.list.map(|list| list.ask));
    Ok(Running { peer, version: said.version, by: Server { serving, check, list } })
}

impl Expected {
    async fn hold(&self, address: SocketAddr) -> Result<()> {
        let answer = client::send(address, &self.ask).await?;
        anyhow::ensure!(
            answer.status == self.status && answer.body.contains(&self.contains),
            "{} answers {}: {:.300}",
            self.ask.path,
            answer.status,
            answer.body
        );
        Ok(())
    }
}
