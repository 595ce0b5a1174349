//! What the service's memory does while people sign in: each hash of a password fills 19 MiB.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::children::{Serving, Site, clean, free_address};
use crate::client;
use crate::effort::SignInEffort;
use crate::load::{percentile, precise};

/// So many people sign in, each again and again.
const PEOPLE: usize = 24;
/// The demo's accounts, in turn.
pub const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "sysadmin"];
/// Until the service has come to rest after its start.
const SETTLED: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// Resident memory of the service alone, in MB of 10^6 bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SignIns {
    pub before: f64,
    /// The most while they sign in.
    pub most: f64,
    /// When nobody has for a while.
    pub after: f64,
    pub signed_in: u64,
    pub per_second: f64,
    pub p50: f64,
    pub p99: f64,
    pub password_workers: usize,
}

/// Starts the service as `cargo run` does, on a folder of its own, and lets people sign in for so
/// long.
pub async fn measure(site: &Site, effort: SignInEffort) -> Result<SignIns> {
    eprintln!("{PEOPLE} people sign in for {} s", effort.seconds);
    let address = free_address()?;
    let mut command = clean(&site.service);
    command
        .arg("serve")
        .env("BAILIWICK_LISTEN", address.to_string())
        .env("BAILIWICK_METRICS_LISTEN", "off");
    command
        .env("BAILIWICK_RATE_LIMITS", "off")
        .env("BAILIWICK_DATA_DIR", site.folder.join("sign-ins"));
    // What an operator's environment says of memory is measured with it.
    command.envs(std::env::vars().filter(|(name, _)| name == "GLIBC_TUNABLES"));
    let serving = Serving::start(site, command, address, ("/readyz", 200)).await?;
    sleep(SETTLED).await;
    let before = serving.memory()?.resident;
    let over = Arc::new(AtomicBool::new(false));
    let mut people = JoinSet::new();
    for person in 0..PEOPLE {
        people.spawn(signs_in(address, NAMES[person % NAMES.len()], over.clone()));
    }
    let (began, mut most) = (Instant::now(), 0.0_f64);
    while began.elapsed() < Duration::from_secs(effort.seconds) {
        most = most.max(serving.memory()?.resident);
        sleep(LOOK).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut latencies: Vec<f64> =
        people.join_all().await.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let signed_in = u64::try_from(latencies.len())?;
    let per_second = precise(signed_in) / began.elapsed().as_secs_f64();
    sleep(Duration::from_secs(effort.rest)).await;
    let after = serving.memory()?.resident;
    serving.stop().await?;
    latencies.sort_by(f64::total_cmp);
    let at = |hundredths| percentile(&latencies, hundredths).context("nobody signed in");
    let password_workers = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(SignIns {
        before,
        most,
        after,
        signed_in,
        per_second,
        p50: at(50)?,
        p99: at(99)?,
        password_workers,
    })
}

/// Signs in until it is over; how long each took, in milliseconds.
async fn signs_in(address: SocketAddr, name: &str, over: Arc<AtomicBool>) -> Result<Vec<f64>> {
    let body = json!({ "username": name, "password": "bailiwick-demo" });
    let mut latencies = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        client::call(address, ("POST", "/api/auth/login"), &[], &body).await?.json()?;
        latencies.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

impl SignIns {
    /// In a line, for people.
    pub fn text(&self) -> String {
        format!(
            "{PEOPLE} people signing in, {} password workers: {} sign-ins, {:.1} a second, p50 \
                {:.0} ms, p99 {:.0} ms",
            self.password_workers, self.signed_in, self.per_second, self.p50, self.p99
        )
    }
}
