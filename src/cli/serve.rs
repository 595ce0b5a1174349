//! `bailiwick serve`: everything is made ready, then the door opens; when asked to stop, what runs
//! may finish.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, timeout};

use super::listen::{Listeners, Reserved};
use super::open::Opened;
use super::secret_key::secrets;
use super::stop::Stop;
use super::{descriptors, greeting, ours, say};
use crate::assembly;
use crate::context::Services;
use crate::http;
use crate::http::app::App;
use crate::identity::{service_keys, sessions};
use crate::kernel::clock::SystemClock;
use crate::kernel::config::{Loaded, Settings};
use crate::kernel::db::bootstrap;
use crate::kernel::error::Code;
use crate::kernel::telemetry;
use crate::platform::jobs::{Courier, Scheduler};
use crate::seeds;
use crate::tenancy::catalogue;
use crate::tenancy::limits;

/// How often measurements are folded into their buckets, and callers forgotten whose limits are
/// full again.
const FOLD_EVERY: Duration = Duration::from_secs(5);
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// How often it is written down which sessions were used: they are told to the minute.
const SEEN_EVERY: Duration = Duration::from_secs(20);

pub(super) async fn serve(loaded: Loaded) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    descriptors::raise(loaded.settings.max_connections);
    let starting = async {
        let reserved = Reserved::reserve(&loaded).await?;
        let opened = Opened::open(&loaded.settings).await?;
        match make_ready(&loaded.settings, &opened, reserved.api_address()).await {
            Ok(ready) => Ok((reserved, opened, ready)),
            Err(error) => {
                // What went wrong is worth more than that the database would not stop either.
                let _ = opened.close().await;
                Err(error)
            }
        }
    };
    let (reserved, opened, ready) = tokio::select! {
        started = starting => started?,
        // Dropped half-way, the embedded database is told to stop.
        () = stop.asked() => return Ok(()),
    };
    let listeners = reserved.listen()?;
    let address = listeners.api.local_addr()?;
    let (version, commit, migrations_applied) =
        (telemetry::VERSION, telemetry::COMMIT, ready.migrations_applied);
    tracing::info!(version, commit, %address, schema = bootstrap::schema(), migrations_applied,
        "started");
    let metrics_address =
        listeners.metrics.as_ref().and_then(|listener| listener.local_addr().ok());
    say(&greeting::greeting(address, metrics_address, ready.has_demo).map_err(ours)?);
    let outcome = run(&ready.app, listeners, &opened, &mut stop).await;
    // A database that has ended takes no farewell: whoever starts the service again would wait for
    // it in vain.
    if outcome.is_ok() {
        let _ = timeout(Duration::from_secs(1), limits::leave(&ready.app)).await;
        let _ = timeout(Duration::from_secs(1), sessions::write_seen(ready.app.services())).await;
        // Connections of requests that were abandoned are not waited for.
        let _ = timeout(Duration::from_secs(2), ready.app.services().db.close()).await;
    }
    let closed = opened.close().await;
    outcome.and(closed)
}

struct Ready {
    app: App,
    has_demo: bool,
    migrations_applied: usize,
}

async fn make_ready(
    settings: &Settings,
    opened: &Opened,
    listening: SocketAddr,
) -> anyhow::Result<Ready> {
    let migrations_applied = opened.prepare().await?.len();
    let issuer = settings.issuer_at(listening);
    let app = App::new(
        settings.clone(),
        secrets(settings)?,
        issuer,
        opened.database(settings),
        Arc::new(SystemClock),
    )
    .map_err(ours)?;
    service_keys::open(&app).await.map_err(ours)?;
    catalogue::bring_up_to_date(app.services(), assembly::FEATURES).await.map_err(ours)?;
    limits::beat(&app).await.map_err(ours)?;
    let has_demo = opened.is_embedded() && demo(&app, listening).await?;
    Ok(Ready { app, has_demo, migrations_applied })
}

/// The demo's accounts, whose password everybody knows, are for this machine alone. Tells whether
/// they are there.
async fn demo(app: &App, listening: SocketAddr) -> anyhow::Result<bool> {
    let services = app.services();
    if listening.ip().to_canonical().is_loopback() {
        return load_demo(services).await.map_err(ours);
    }
    let open = seeds::open_accounts(services).await.map_err(ours)?;
    if let Some(names) = open {
        bail!(
            "{listening} can be reached from other machines, and everybody knows the password of \
             {names}: listen on 127.0.0.1 (BAILIWICK_LISTEN), or begin with another \
             BAILIWICK_DATA_DIR. To keep what is there, make a SysAdmin of your own first \
             (bailiwick user create --sys-admin), and admins of your own for its mandates; then, \
             on 127.0.0.1, disable these accounts"
        );
    }
    if seeds::has_no_users(services).await.map_err(ours)? {
        say(&format!(
            "No demo accounts are made: {listening} can be reached from other machines, and \
             everybody knows their password. With BAILIWICK_LISTEN=127.0.0.1:8080 they are. Or \
             stop this, and make the first SysAdmin: bailiwick user create --username ada \
             --sys-admin"
        ));
    }
    Ok(false)
}

/// Only into a database that nobody uses yet. Tells whether the demo is there, from now or from
/// before.
async fn load_demo(services: &Services) -> crate::kernel::error::Result<bool> {
    if seeds::has_no_users(services).await? {
        seeds::demo(services).await?;
        return Ok(true);
    }
    seeds::demo_is_there(services).await
}

async fn run(
    app: &App,
    listeners: Listeners,
    opened: &Opened,
    stop: &mut Stop,
) -> anyhow::Result<()> {
    let (finish, finishing) = watch::channel(false);
    // A set that is dropped ends its tasks: whoever leaves here leaves none behind.
    let _endless = endless(app, listeners.metrics);
    let mut finite = JoinSet::new();
    let server = finite.spawn(serve_api(app.clone(), listeners.api, finishing.clone())).id();
    finite.spawn(run_jobs(app.clone(), finishing.clone()));
    finite.spawn(run_errands(app.clone(), finishing));
    tokio::select! {
        ended = end_of(server, &mut finite) => return ended,
        () = opened.is_lost() => bail!(
            "the embedded PostgreSQL has ended: start again; whatever was answered is kept"
        ),
        () = stop.asked() => tracing::info!("stopping; running requests may finish"),
    }
    finish.send_replace(true);
    let grace = app.settings().shutdown_grace;
    let all = async { while finite.join_next().await.is_some() {} };
    tokio::select! {
        finished = timeout(grace, all) => if finished.is_err() {
            tracing::warn!("what still ran after {} s was abandoned", grace.as_secs());
        },
        () = stop.asked() => tracing::warn!("asked twice to stop; running requests were abandoned"),
    }
    Ok(())
}

/// What goes on for as long as the service runs, and has nothing to finish.
fn endless(app: &App, metrics: Option<TcpListener>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_up(app.clone()));
    tasks.spawn(beat(app.clone()));
    tasks.spawn(follow_keys(app.clone()));
    tasks.spawn(write_seen(app.clone()));
    if let Some(listener) = metrics {
        tasks.spawn(serve_metrics(app.clone(), listener));
    }
    tasks
}

/// Until one task has ended, whatever others of its set end before.
async fn end_of(task: Id, tasks: &mut JoinSet<()>) -> anyhow::Result<()> {
    while let Some(ended) = tasks.join_next_with_id().await {
        match ended {
            Ok((id, ())) if id == task => return Ok(()),
            Err(error) if error.id() == task => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

async fn serve_api(app: App, listener: TcpListener, finishing: watch::Receiver<bool>) {
    let service = assembly::service(&app, assembly::FEATURES);
    http::server::serve(&app, service, listener, asked_to_finish(finishing)).await;
}

async fn run_jobs(app: App, finishing: watch::Receiver<bool>) {
    Scheduler::new(app.services().clone(), assembly::JOBS).run(asked_to_finish(finishing)).await;
}

async fn run_errands(app: App, finishing: watch::Receiver<bool>) {
    let services = app.services().clone();
    Courier::new(app, services, assembly::ERRANDS).run(asked_to_finish(finishing)).await;
}

async fn asked_to_finish(mut finishing: watch::Receiver<bool>) {
    let _ = finishing.wait_for(|finish| *finish).await;
}

async fn serve_metrics(app: App, listener: TcpListener) {
    if let Err(error) = axum::serve(listener, http::metrics::router(&app)).await {
        tracing::warn!(%error, "the metrics are not served any more");
    }
}

async fn keep_up(app: App) {
    let mut fold = tokio::time::interval(FOLD_EVERY);
    let mut forget = tokio::time::interval(FORGET_EVERY);
    loop {
        tokio::select! {
            _ = fold.tick() => telemetry::fold(),
            _ = forget.tick() => {
                app.limits().forget_idle();
                app.services().db.tidy();
            }
        }
    }
}

async fn write_seen(app: App) {
    let mut next = tokio::time::interval(SEEN_EVERY);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        if let Err(error) = sessions::write_seen(app.services()).await
            // That is said once, where it is noticed.
            && error.code() != Code::DatabaseUnavailable
        {
            tracing::warn!(
                cause = error.cause().map(ToString::to_string),
                "when sessions were used could not be written down"
            );
        }
    }
}

/// Says once that keys cannot be followed, and not every second.
async fn follow_keys(app: App) {
    let mut next = tokio::time::interval(service_keys::FOLLOW_EVERY);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = None;
    loop {
        next.tick().await;
        let work = service_keys::follow(&app);
        match app.services().attended(work).await {
            Ok(true) => tracing::info!("the service's keys were changed"),
            Ok(false) => said = None,
            // That is said once, where it is noticed.
            Err(error) if error.code() == Code::DatabaseUnavailable => {}
            Err(error) if said.as_deref() == Some(error.detail()) => {}
            Err(error) => {
                let cause = error.cause().map(ToString::to_string);
                tracing::error!(
                    cause,
                    "this node goes on with those of its keys that are good: {}",
                    error.detail()
                );
                said = Some(error.detail().to_owned());
            }
        }
    }
}

async fn beat(app: App) {
    let mut next = tokio::time::interval(limits::BEAT_EVERY);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        if let Err(error) = limits::beat(&app).await
            // That is said once, where it is noticed.
            && error.code() != Code::DatabaseUnavailable
        {
            tracing::warn!(
                cause = error.cause().map(ToString::to_string),
                "this node could not say that it is alive"
            );
        }
    }
}
