//! `cargo run --release -p bailiwick-benches`: the service side by side with what it could at best
//! be, in one run on one machine, the sides in turn. Ratios are what is reported: absolute figures
//! say more about the machine.

#![forbid(unsafe_code)]

mod bare;
mod children;
mod client;
mod cpu;
mod load;
mod measure;
mod plan;
mod record;
mod replay;
mod report;
mod scene;
mod sign_ins;
mod start;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use embedded_postgres::{EmbeddedOptions, EmbeddedPostgres};
use tokio::signal::unix::{SignalKind, signal};

use load::Tools;
use measure::Effort;
use scene::Places;

/// How long people sign in, in a whole run.
const SIGN_INS: u64 = 10;

/// Measures the service side by side with bare handlers and pgbench
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Seeds of the load, one after the other
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// How often each side has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long a turn is
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Where to write everything that was measured
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The service's binary, instead of building it
    #[arg(long, value_name = "FILE")]
    service: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The bare handlers; the harness starts them
    #[command(hide = true)]
    Bare { plan: PathBuf, address: SocketAddr },
    /// Only what the service's memory does while 24 people sign in
    SignIns {
        /// For how long
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Bare { plan, address }) = arguments.command {
        return bare::serve(serde_json::from_slice(&std::fs::read(plan)?)?, address).await;
    }
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Whatever was started ends when the run is dropped.
    tokio::select! {
        outcome = run(arguments) => outcome,
        _ = interrupted.recv() => anyhow::bail!("interrupted"),
        _ = terminated.recv() => anyhow::bail!("terminated"),
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    if let Some(Command::SignIns { seconds }) = arguments.command {
        let service = children::service_binary(arguments.service).await?;
        let folder = own_folder()?;
        let signed_in = sign_ins::measure(&service, folder.path(), seconds).await?;
        print!("{}", report::sign_ins(&signed_in));
        return Ok(());
    }
    let tools = Tools::find()?;
    let service = children::service_binary(arguments.service).await?;
    let folder = own_folder()?;
    let wrk_script = folder.path().join("wrk.lua");
    std::fs::write(&wrk_script, include_str!("wrk.lua"))?;
    let conditions = report::Conditions::note();
    let starts = start::measure(&service, folder.path(), 5).await?;
    let signed_in = sign_ins::measure(&service, folder.path(), SIGN_INS).await?;

    let options = EmbeddedOptions {
        folder: folder.path().join("cluster"),
        database: "bailiwick".to_owned(),
        durable: true,
        max_connections: 100,
        settings: Vec::new(),
        binaries: None,
    };
    let cluster = EmbeddedPostgres::start(options).await.context("PostgreSQL cannot be started")?;
    let places = Places { service: &service, cluster: &cluster, folder: folder.path() };
    let effort = Effort { rounds: arguments.rounds, seconds: arguments.seconds };
    let mut report = report::Report {
        effort,
        conditions,
        starts,
        sign_ins: signed_in,
        outcomes: Vec::new(),
        memory: Vec::new(),
    };
    for seed in arguments.seeds {
        let (outcomes, held) = measure::seed(seed, effort, &tools, &places, &wrk_script).await?;
        report.outcomes.extend(outcomes);
        report.memory.push(held);
    }
    cluster.stop().await?;
    report.conditions.finish();
    print!("{}", report.text());
    if let Some(path) = arguments.json {
        std::fs::write(&path, report.json()?)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

fn own_folder() -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("bailiwick-benches-").tempdir()?;
    // PostgreSQL may run as another account, which has to pass through.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
    Ok(folder)
}
