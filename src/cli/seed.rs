//! `bailiwick seed`: data with passwords that everybody knows, so that for a database of one's own
//! it has to be asked for twice.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};

use super::open::Opened;
use super::{ours, say};
use crate::assembly::FEATURES;
use crate::context::Services;
use crate::kernel::config::Settings;
use crate::kernel::error::Result;
use crate::seeds;
use crate::tenancy::catalogue;

#[derive(Debug, Subcommand)]
pub(super) enum Seed {
    /// Load the demo: mandates Acme and Globex with their people; twice gives the same as once
    #[command(after_help = "The embedded database gets the demo by itself at its first start. \
            Everybody's password is `bailiwick-demo`.")]
    Demo(Consent),
    /// Load as much as a benchmark needs, into an empty database
    #[command(
        after_help = "The same numbers give the same data. Users are `load-0`, `load-1` …, all \
        with the password `bailiwick-demo`; `load-0` is a member of five mandates, with four \
        instances in each, and admin of the first, which has at least 60 members."
    )]
    Load(Load),
}

#[derive(Debug, Args)]
pub(super) struct Consent {
    /// Needed with `DATABASE_URL`: the accounts' password is in the source code, for everybody to
    /// read
    #[arg(long = "i-know-these-passwords-are-public")]
    passwords_are_public: bool,
}

#[derive(Debug, Args)]
pub(super) struct Load {
    #[arg(long, value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    mandates: i64,
    #[arg(long, value_name = "N", default_value_t = 20_000,
        value_parser = clap::value_parser!(i64).range(2..=10_000_000))]
    users: i64,
    #[arg(long, value_name = "N", default_value_t = 60_000,
        value_parser = clap::value_parser!(i64).range(1..=50_000_000))]
    memberships: i64,
    #[arg(long, value_name = "N", default_value_t = 8_000,
        value_parser = clap::value_parser!(i64).range(0..=10_000_000))]
    instances: i64,
    #[arg(long, value_name = "N", default_value_t = 120_000,
        value_parser = clap::value_parser!(i64).range(0..=50_000_000))]
    accesses: i64,
    /// What looks like chance follows from this number
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(i64).range(0..))]
    seed: i64,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn seed(settings: &Settings, what: Seed) -> anyhow::Result<()> {
    let (Seed::Demo(consent) | Seed::Load(Load { consent, .. })) = &what;
    if settings.database_url.is_some() && !consent.passwords_are_public {
        bail!(
            "this makes accounts whose password everybody knows, in the database of DATABASE_URL: \
             add --i-know-these-passwords-are-public if that is what you want"
        );
    }
    let opened = Opened::open(settings).await?;
    let outcome = apply(settings, &opened, what).await;
    opened.close().await?;
    say(outcome?);
    Ok(())
}

async fn apply(settings: &Settings, opened: &Opened, what: Seed) -> anyhow::Result<&'static str> {
    opened.prepare().await?;
    let services = opened.services(settings);
    let is_load = matches!(what, Seed::Load(_));
    let outcome = fill(&services, what).await;
    services.db.close().await;
    let told = outcome.map_err(ours)?;
    if is_load {
        take_statistics(opened.options())
            .await
            .context("the data is there, but the planner's statistics could not be renewed")?;
    }
    Ok(told)
}

async fn fill(services: &Services, what: Seed) -> Result<&'static str> {
    catalogue::bring_up_to_date(services, FEATURES).await?;
    match what {
        Seed::Demo(_) => Ok(match seeds::demo(services).await? {
            seeds::DemoLoad::Loaded => {
                "The demo is loaded. Everybody's password is bailiwick-demo."
            }
            seeds::DemoLoad::WasThere => "The demo was there already.",
        }),
        Seed::Load(load) => {
            let Load { mandates, users, memberships, instances, accesses, seed, consent: _ } = load;
            seeds::load(
                services,
                seeds::Plan { mandates, users, memberships, instances, accesses, seed },
            )
            .await?;
            Ok("The load is there. Users are load-0, load-1 …, with the password bailiwick-demo.")
        }
    }
}

/// So much came so suddenly that the planner would guess for a while. As the owner of the tables,
/// which alone may.
async fn take_statistics(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    connection
        .execute("set client_min_messages = error; set role bailiwick_owner; analyze")
        .await?;
    connection.close().await
}
