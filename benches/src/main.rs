//! `cargo run --release -p bailiwick-benches`: the service side by side with what it could at best
//! be, in one run on one machine, the sides in turn. Ratios are what is reported: absolute figures
//! say more about the machine.

#![forbid(unsafe_code)]

mod alone;
mod asking;
mod bare;
mod callers;
mod children;
mod client;
mod compare;
mod compared;
mod cpu;
mod crowd;
mod effort;
mod growth;
mod in_process;
mod load;
mod measure;
mod overload;
mod peers;
mod people;
mod plan;
mod question;
mod record;
mod replay;
mod report;
mod requests;
mod scene;
mod sign_ins;
mod spread;
mod start;
mod turns;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use children::Site;
use effort::{Effort, SignInEffort};
use load::Tools;
use peers::Peers;
use report::Report;
use scene::Places;
use turns::Turns;

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
    /// Only tries everything once, on a small load: the figures mean nothing
    #[arg(long, conflicts_with_all = ["seeds", "rounds", "seconds"])]
    short: bool,
    /// Also measures others at the same question: fetches them first, with npm, pip and cargo
    #[arg(long)]
    peers: bool,
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
    /// Decisions in process; the harness starts them
    #[command(hide = true)]
    Decide { how: String, model: PathBuf },
    /// Only the same requests on 1,000 and on 100,000 mandates
    Growth,
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
    match arguments.command {
        Some(Command::Bare { plan, address }) => {
            return bare::serve(serde_json::from_slice(&std::fs::read(plan)?)?, address).await;
        }
        Some(Command::Decide { how, model }) => return compare::decide(&how, &model),
        _ => {}
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
    let service = children::service_binary(arguments.service).await?;
    let folder = own_folder()?;
    let site = Site::new(service, folder.path().to_owned()).await?;
    if let Some(Command::SignIns { seconds }) = arguments.command {
        let signed_in = sign_ins::measure(&site, SignInEffort::measuring(seconds)).await?;
        print!("{}", alone::sign_ins(&signed_in));
        return Ok(());
    }
    let (effort, seeds) = if arguments.short {
        (Effort::trying(), vec![1])
    } else {
        (Effort::measuring(arguments.rounds, arguments.seconds), arguments.seeds)
    };
    if let Some(Command::Growth) = arguments.command {
        return grow(&site, effort, arguments.json.as_deref()).await;
    }
    let peers = if arguments.peers { Some(Peers::fetch().await?) } else { None };
    let report = measure(&site, effort, seeds, peers.as_deref()).await?;
    print!("{}", report.text());
    keep(arguments.json.as_deref(), || report.json())
}

async fn grow(site: &Site, effort: Effort, json: Option<&Path>) -> Result<()> {
    let tools = Tools::find(effort, site)?;
    let cluster = site.cluster().await?;
    let places = Places { site, cluster: &cluster, effort, peers: None };
    let turns = Turns { effort, tools: &tools, cluster: &cluster };
    let grown = growth::measure(turns, &places).await?;
    cluster.stop().await?;
    print!("{}", if effort.measures() { alone::growth(&grown) } else { report::TRIED.to_owned() });
    keep(json, || Ok(serde_json::to_string_pretty(&grown)?))
}

/// Writes what was measured into the file, where one is named.
fn keep(file: Option<&Path>, measured: impl FnOnce() -> Result<String>) -> Result<()> {
    let Some(path) = file else { return Ok(()) };
    std::fs::write(path, measured()?)
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// All sides of everything, seed by seed.
async fn measure(
    site: &Site,
    effort: Effort,
    seeds: Vec<u64>,
    peers: Option<&Path>,
) -> Result<Report> {
    let tools = Tools::find(effort, site)?;
    let conditions = report::Conditions::note();
    let starts = start::measure(site, effort.starts).await?;
    let signed_in = sign_ins::measure(site, effort.sign_ins).await?;
    let overload = overload::measure(site, effort.sign_ins).await?;
    let cluster = site.cluster().await?;
    let places = Places { site, cluster: &cluster, effort, peers };
    let turns = Turns { effort, tools: &tools, cluster: &cluster };
    let mut report = Report {
        effort,
        conditions,
        starts,
        sign_ins: signed_in,
        overload,
        outcomes: Vec::new(),
        memory: Vec::new(),
        compared: Vec::new(),
        crowd: crowd::measure(turns, &places).await?,
    };
    for seed in seeds {
        let measured = measure::seed(seed, turns, &places).await?;
        report.outcomes.extend(measured.outcomes);
        report.compared.push(measured.compared);
        report.memory.push(measured.held);
    }
    cluster.stop().await?;
    report.conditions.finish();
    Ok(report)
}

fn own_folder() -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("bailiwick-benches-").tempdir()?;
    // PostgreSQL may run as another account, which has to pass through.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
    Ok(folder)
}
