//! Load: wrk for HTTP, or callers of our own where nothing is measured; pgbench for PostgreSQL
//! alone. All are bounded in time and end with the harness.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use crate::callers;
use crate::children::Site;
use crate::effort::{Effort, Turn};
use crate::plan::{Ask, Headers, READER_CONNECTIONS, WORK_CONNECTIONS};
use crate::replay::PgbenchScript;

/// Connections that are kept busy, and the threads that wrk has for them.
pub const CONNECTIONS: usize = 64;
const THREADS: u32 = 2;
/// What wrk does, in the folder of the run.
const SCRIPT: &str = "wrk.lua";
/// How many transactions are tried in a moment on each connection.
const TRIED: u32 = 10;
/// How much longer than asked a program may take.
const GRACE: Duration = Duration::from_secs(20);

/// What one run of one side gave. Latencies in microseconds; pgbench tells only their mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Measured {
    pub requests: u64,
    pub per_second: f64,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub errors: u64,
}

/// The programs, found.
#[derive(Debug)]
pub struct Tools {
    wrk: PathBuf,
    folder: PathBuf,
    pub pgbench: Option<PathBuf>,
}

impl Tools {
    /// wrk is needed for figures only.
    pub fn find(effort: Effort, site: &Site) -> Result<Self> {
        let wrk = in_path("wrk");
        if effort.measures() && wrk.is_none() {
            bail!(
                "wrk is missing, and nothing can be measured without it: `apt-get install -y wrk`"
            );
        }
        std::fs::write(site.folder.join(SCRIPT), include_str!("wrk.lua"))?;
        let beside_server = Some(site.postgres.join("pgbench"));
        let pgbench = beside_server.filter(|path| path.is_file()).or_else(|| in_path("pgbench"));
        if pgbench.is_none() {
            eprintln!(
                "pgbench is missing (Debian: it comes with postgresql-15): the comparisons with it \
                    are left out"
            );
        }
        Ok(Self { wrk: wrk.unwrap_or_default(), folder: site.folder.clone(), pgbench })
    }

    /// Keeps the connections busy, at an address.
    pub async fn ask(&self, address: SocketAddr, ask: &Ask, turn: Turn) -> Result<Measured> {
        let Turn::Seconds(seconds) = turn else {
            let how_long = turn.how_long();
            let asking = callers::ask(address, ask, how_long);
            return timeout(how_long + GRACE, asking).await.context("no end of answers")?;
        };
        let [callers, body] = ["callers", "body"].map(|name| self.folder.join(name));
        tokio::fs::write(&callers, lines(&ask.callers)).await?;
        tokio::fs::write(&body, &ask.body).await?;
        let mut command = Command::new(&self.wrk);
        command
            .arg(format!("-t{THREADS}"))
            .arg(format!("-c{CONNECTIONS}"))
            .arg(format!("-d{seconds}s"))
            .arg("-s")
            .arg(self.folder.join(SCRIPT))
            .arg(format!("http://{address}{}", ask.path))
            .arg("--")
            .arg(&ask.method)
            .args([callers, body]);
        wrk_result(&output(&mut command, turn).await?)
    }
}

/// Of each caller a line, names and values in turn: as `wrk.lua` reads them.
fn lines(callers: &[Headers]) -> String {
    let line = |headers: &Headers| {
        let words = headers.iter().flat_map(|(name, value)| [name.as_str(), value]);
        words.collect::<Vec<_>>().join("\t") + "\n"
    };
    callers.iter().map(line).collect()
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

#[derive(Deserialize)]
struct WrkResult {
    requests: u64,
    microseconds: f64,
    p50: f64,
    p95: f64,
    p99: f64,
    errors: u64,
}

fn wrk_result(output: &str) -> Result<Measured> {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .with_context(|| format!("wrk said: {output}"))?;
    let result: WrkResult = serde_json::from_str(line)?;
    Ok(Measured {
        requests: result.requests,
        per_second: precise(result.requests) / result.microseconds * 1e6,
        p50: Some(result.p50),
        p95: Some(result.p95),
        p99: Some(result.p99),
        errors: result.errors,
    })
}

/// Runs a script on as many connections as the service has for it.
pub async fn pgbench(
    tools: &Tools,
    server: &Server<'_>,
    script: &PgbenchScript,
    role: &str,
    turn: Turn,
) -> Result<Measured> {
    let program = tools.pgbench.as_deref().context("pgbench is missing")?;
    let (clients, read_only) =
        if script.reader { (READER_CONNECTIONS, "on") } else { (WORK_CONNECTIONS, "off") };
    let file = tools.folder.join("script.sql");
    tokio::fs::write(&file, &script.text).await?;
    let mut command = Command::new(program);
    command.env(
        "PGOPTIONS",
        format!(
            "-c search_path=bailiwick -c jit=off -c role={role} \
                -c default_transaction_read_only={read_only}"
        ),
    );
    command
        .arg("-h")
        .arg(server.sockets)
        .args(["-p", "5432", "-U", "postgres", "-n", "-M", "prepared"]);
    match turn {
        Turn::Seconds(seconds) => command.arg(format!("-T{seconds}")),
        Turn::Moment => command.arg(format!("-t{TRIED}")),
    };
    command.args(["-j", "2", "-c", &clients.to_string()]).arg("-f").arg(file);
    for variable in &script.variables {
        command.arg("-D").arg(variable);
    }
    let output = output(command.arg(server.database), turn).await?;
    let text = |before: &str| {
        let rest = output.lines().find_map(|line| line.strip_prefix(before));
        rest.and_then(|rest| rest.split([' ', '/']).next())
            .with_context(|| format!("pgbench said: {output}"))
    };
    let requests = text("number of transactions actually processed: ")?.parse()?;
    Ok(Measured { requests, per_second: text("tps = ")?.parse()?, ..Measured::default() })
}

/// Where pgbench finds the database.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    pub sockets: &'a Path,
    pub database: &'a str,
}

async fn output(command: &mut Command, turn: Turn) -> Result<String> {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let patience = turn.how_long() + GRACE;
    let output = timeout(patience, running).await.context("the load generator did not end")??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("the load generator failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

/// Of values in order; so many hundredths of them are less.
pub fn percentile(values: &[f64], hundredths: usize) -> Option<f64> {
    values.get(values.len() * hundredths / 100).copied()
}

/// Counts here are far below where a float would lose one.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are below 2^52")]
pub fn precise(count: u64) -> f64 {
    count as f64
}
