//! What becomes of sign-ins when twenty times as many come as can be made: those that are let in
//! are as many as Argon2id alone allows, and the others are told at once to come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bailiwick::kernel::credentials::password::{Passwords, Rules};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::callers::{Answered, Caller};
use crate::children::{Serving, Site, clean, free_address};
use crate::effort::SignInEffort;
use crate::load::{percentile, precise};
use crate::plan::Ask;
use crate::sign_ins::NAMES;

const TIMES: f64 = 20.0;
/// Below the most connections of one address; more than wait for a password worker.
const CALLERS: u32 = 200;

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Overload {
    /// Hashes a second with nothing else to do.
    pub alone: f64,
    /// Of one person who signs in again and again, milliseconds.
    pub unloaded_p99: f64,
    pub offered: f64,
    pub accepted: f64,
    pub accepted_p99: f64,
    /// Told to come again, milliseconds: 503, or 429 where too many try the same name.
    pub refused_p50: Option<f64>,
    /// Answered anything else.
    pub others: usize,
}

pub async fn measure(site: &Site, effort: SignInEffort) -> Result<Overload> {
    let how_long = Duration::from_secs(effort.seconds);
    eprintln!("sign-ins at {TIMES} times what is possible, for {} s", effort.seconds);
    let alone = alone(how_long / 2).await?;
    let address = free_address()?;
    let mut command = clean(&site.service);
    command.arg("serve").env("BAILIWICK_LISTEN", address.to_string());
    command.env("BAILIWICK_METRICS_LISTEN", "off").env("BAILIWICK_RATE_LIMITS", "off");
    command.env("BAILIWICK_DATA_DIR", site.folder.join("sign-ins"));
    let serving = Serving::start(site, command, address, ("/readyz", 200)).await?;
    let requests = NAMES.map(|name| {
        let body = json!({ "username": name, "password": "bailiwick-demo" });
        let ask = Ask::sending("POST", "/api/auth/login", Vec::new(), &body);
        Arc::<str>::from(ask.request(address, &ask.callers[0]))
    });
    let often = Duration::from_millis(1);
    let unloaded = comes(address, requests[0].clone(), often, how_long).await?;
    let each = Duration::from_secs_f64(f64::from(CALLERS) / (TIMES * alone));
    let (began, mut coming) = (Instant::now(), JoinSet::new());
    for (request, _) in requests.iter().cycle().zip(0..CALLERS) {
        coming.spawn(comes(address, request.clone(), each, how_long));
    }
    let answers = coming.join_all().await.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let taken = began.elapsed();
    serving.stop().await?;
    told(alone, &unloaded, &answers, taken)
}

fn told(
    alone: f64,
    unloaded: &[Answered],
    answers: &[Answered],
    taken: Duration,
) -> Result<Overload> {
    let (accepted, refused) = (latencies(answers, &[200]), latencies(answers, &[429, 503]));
    let per_second =
        |count: usize| -> Result<f64> { Ok(precise(u64::try_from(count)?) / taken.as_secs_f64()) };
    Ok(Overload {
        alone,
        unloaded_p99: percentile(&latencies(unloaded, &[200]), 99).context("nobody signed in")?,
        offered: per_second(answers.len())?,
        accepted: per_second(accepted.len())?,
        accepted_p99: percentile(&accepted, 99).context("nobody was let in")?,
        refused_p50: percentile(&refused, 50),
        others: answers.len() - accepted.len() - refused.len(),
    })
}

/// In milliseconds, in order.
fn latencies(answers: &[Answered], statuses: &[u16]) -> Vec<f64> {
    let answered = answers.iter().filter(|answer| statuses.contains(&answer.status));
    let mut latencies: Vec<f64> = answered.map(|answer| answer.microseconds / 1e3).collect();
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// Hashes a second, with as many workers as the service has.
async fn alone(how_long: Duration) -> Result<f64> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let passwords = Passwords::new(workers, workers, Rules::default())
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let passwords = Arc::new(passwords);
    let began = Instant::now();
    let mut hashing = JoinSet::new();
    for _ in 0..workers {
        let passwords = passwords.clone();
        hashing.spawn(async move {
            let mut hashes = 0_u64;
            while began.elapsed() < how_long {
                let made = passwords.hash("bailiwick-demo".to_owned()).await;
                made.map_err(|error| anyhow::anyhow!("{error:?}"))?;
                hashes += 1;
            }
            Ok::<_, anyhow::Error>(hashes)
        });
    }
    let hashes = hashing.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(precise(hashes.into_iter().sum()) / began.elapsed().as_secs_f64())
}

/// Comes each time that it is time, or as soon as it was answered where that is later.
async fn comes(
    address: SocketAddr,
    request: Arc<str>,
    each: Duration,
    how_long: Duration,
) -> Result<Vec<Answered>> {
    let mut caller = Caller::connect(address).await?;
    let (began, mut answers) = (Instant::now(), Vec::new());
    let mut times = interval(each);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while answers.is_empty() || began.elapsed() < how_long {
        times.tick().await;
        answers.push(caller.ask(&request).await?);
    }
    Ok(answers)
}
