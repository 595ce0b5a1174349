//! `bailiwick keys`: the keys that access tokens are signed with are changed for others while the
//! service runs.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};

use super::open::Opened;
use super::{ours, say};
use crate::context::{RequestMeta, SystemContext};
use crate::http::app::App;
use crate::identity::service_keys::{self, Listed, Rotated, When};
use crate::kernel::config::{Settings, TokenAlgorithm};
use crate::kernel::credentials::ring::State;

const LIST_HELP: &str = "\
One line for each key: its kid, its alg, its state and since when.
  next       published, and nothing is signed with it yet
  signing    the key of its algorithm; BAILIWICK_TOKEN_ALG says by which access tokens are signed
  verifying  what it signed is good; nothing new is signed with it
  retired    not published any more, and good for nothing

Example:
  bailiwick keys list";

const ROTATE_HELP: &str = "\
The new keys are published at once, and sign an hour later: until then others may keep the keys \
of /.well-known/jwks.json that they have. With --now they sign as soon as every node has them, \
within 5 seconds; whoever kept the earlier ones has to ask again.
The keys before them go on verifying until they are retired.

Examples:
  bailiwick keys rotate
  bailiwick keys rotate --now --alg ES256";

const RETIRE_HELP: &str = "\
The key that signs is not retired; nor, unless by --force, one that has been out of use for less \
than 15 minutes: access tokens that it signed may be good until then. Others may keep it for an \
hour.

Example:
  bailiwick keys retire kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// List the keys, and what each is good for
    #[command(after_help = LIST_HELP)]
    List,
    /// Make new keys, one of each algorithm
    #[command(after_help = ROTATE_HELP)]
    Rotate(Rotate),
    /// Take a key out of use for good
    #[command(after_help = RETIRE_HELP)]
    Retire(Retire),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Sign with them at once
    #[arg(long)]
    now: bool,
    /// Of this algorithm only
    #[arg(long, ignore_case = true)]
    alg: Option<Algorithm>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Algorithm {
    #[value(name = "EdDSA")]
    EdDsa,
    #[value(name = "ES256")]
    Es256,
}

#[derive(Debug, Args)]
pub(super) struct Retire {
    /// Its `kid`, as `bailiwick keys list` prints it
    kid: String,
    /// Also where access tokens that it signed may still be good
    #[arg(long)]
    force: bool,
}

pub(super) async fn keys(settings: &Settings, what: Keys) -> anyhow::Result<()> {
    Opened::work(settings, async |app| {
        say(perform(app, what).await?.trim_end());
        Ok(())
    })
    .await
}

async fn perform(app: &App, what: Keys) -> anyhow::Result<String> {
    let system = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    match what {
        Keys::List => Ok(table(&service_keys::list(&system).await.map_err(ours)?)),
        Keys::Rotate(Rotate { now, alg }) => {
            let when = if now { When::Now } else { When::Published };
            let one = alg.map(|alg| match alg {
                Algorithm::EdDsa => [TokenAlgorithm::EdDsa],
                Algorithm::Es256 => [TokenAlgorithm::Es256],
            });
            let which = one.as_ref().map_or(&TokenAlgorithm::ALL[..], |one| &one[..]);
            let rotated = service_keys::rotate(app, &system, (which, when)).await.map_err(ours)?;
            Ok(rotated.iter().map(told).collect())
        }
        Keys::Retire(Retire { kid, force }) => {
            service_keys::retire(&system, &kid, force).await.map_err(ours)?;
            Ok(format!("{kid} is retired: it is published no more, and verifies nothing."))
        }
    }
}

fn told(key: &Rotated) -> String {
    let (alg, from) = (key.algorithm.name(), shown(key.begins_at));
    format!("{} ({alg}) is published, and signs from {from}.\n", key.id)
}

fn table(keys: &[Listed]) -> String {
    let mut table = format!("{:43}  {:5}  {:9}  SINCE\n", "KID", "ALG", "STATE");
    for key in keys {
        let (alg, state, since) = (key.algorithm.name(), key.state.name(), shown(key.since));
        let from = match key.state {
            State::Next => format!("  (signs from {})", shown(key.begins_at)),
            _ => String::new(),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(table, "{:43}  {alg:5}  {state:9}  {since}{from}", key.id);
    }
    table
}

fn shown(at: DateTime<Utc>) -> String {
    at.format("%FT%TZ").to_string()
}
