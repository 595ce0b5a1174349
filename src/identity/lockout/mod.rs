//! Lockout: how often somebody may guess a password, wherever the guesses come from and whichever
//! node they meet (OWASP ASVS 5.0, 6.3.1; NIST SP 800-63B-4, 3.2.2).
//!
//! What is counted is what was typed, known or not, so that a lock tells nothing of who has an
//! account. Whoever tries is noted before the password is looked at: of many at once no more reach
//! the hash than of some one after the other. Who is refused costs one look, and writes nothing.

mod guesses;
mod purge;
mod store;
mod unlock_routes;

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use self::guesses::Attempt;
use self::store::NetworkRule;
use crate::context::{Account, Actor, Visitor};
use crate::http::app::App;
use crate::http::rate_limit::network_of;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;

pub use purge::FORGET_GUESSES;
pub use unlock_routes::routes;

/// A hundred failures over ten names within a quarter of an hour lock a network for as long.
const NETWORK: NetworkRule = NetworkRule {
    failures: 100,
    names: 10,
    window: Duration::minutes(15),
    lock: Duration::minutes(15),
    most: 1_500,
};

/// Under what attempts are counted.
#[derive(Debug, Clone)]
pub struct Keys {
    name: Vec<u8>,
    network: Option<String>,
}

impl Keys {
    /// Of somebody who signs in with this name, which may be an account's, from this address.
    #[must_use]
    pub fn of(app: &App, name: &str, from: Option<IpAddr>) -> Self {
        let network = from.map(|address| network_of(address).to_string());
        Self { name: name_key(app, name), network }
    }

    /// Of somebody who is asked for their own password, by whatever route.
    #[must_use]
    pub fn of_own_password(app: &App, user: UserId) -> Self {
        Self { name: own_password_key(app, user), network: None }
    }
}

fn name_key(app: &App, name: &str) -> Vec<u8> {
    app.keys().guesses_tag(&[b"name", name.as_bytes()]).to_vec()
}

fn own_password_key(app: &App, user: UserId) -> Vec<u8> {
    app.keys().guesses_tag(&[b"own password", user.uuid().as_bytes()]).to_vec()
}

/// Somebody who was let try, and has not succeeded or failed yet.
#[derive(Debug, Clone)]
#[must_use = "who is not heard of again has failed"]
pub struct Trying {
    keys: Keys,
    since: DateTime<Utc>,
}

/// Lets somebody try, or tells why not. That somebody tries is noted when the transaction commits:
/// before the password is looked at.
pub async fn attempt(
    connection: &mut PgConnection,
    actor: &impl Actor,
    keys: Keys,
    now: DateTime<Utc>,
) -> Result<std::result::Result<Trying, Error>> {
    let seen = store::look(connection, actor, &keys).await?;
    if let Some(until) = seen.network_locked_until.filter(|until| *until > now) {
        return Ok(Err(too_many_from_there(until, now)));
    }
    if let Err(refused) = judged(seen.guesses.attempt(now), now) {
        return Ok(Err(refused));
    }
    let held = store::hold(connection, actor, &keys, now).await?;
    match judged(held.attempt(now), now) {
        Err(refused) => Ok(Err(refused)),
        Ok(guesses) => {
            store::note(connection, actor, &keys, (&guesses, now)).await?;
            Ok(Ok(Trying { keys, since: now }))
        }
    }
}

fn judged(attempt: Attempt, now: DateTime<Utc>) -> std::result::Result<guesses::Guesses, Error> {
    match attempt {
        Attempt::Allowed(guesses) => Ok(guesses),
        Attempt::LockedUntil(until) => Err(locked(until, now)),
        Attempt::OthersFirst => Err(others_first()),
    }
}

/// The attempt was a success: it forgets the failures before it.
pub async fn succeeded(
    connection: &mut PgConnection,
    actor: &impl Actor,
    trying: &Trying,
) -> Result<()> {
    store::forget(connection, actor, &trying.keys).await
}

/// Whether the attempt would have been a success is not known: something else went wrong. As far as
/// that can be noted now, it is as if nobody had tried.
pub async fn withdrawn(
    connection: &mut PgConnection,
    actor: &impl Actor,
    trying: &Trying,
) -> Result<()> {
    let (keys, now) = (&trying.keys, actor.now());
    let held = store::hold(connection, actor, keys, now).await?;
    let guesses = held.withdrawn(trying.since, now);
    store::note(connection, actor, keys, (&guesses, now)).await
}

/// The attempt was a failure.
pub async fn failed(
    connection: &mut PgConnection,
    actor: &impl Actor,
    trying: &Trying,
) -> Result<()> {
    let (keys, now) = (&trying.keys, actor.now());
    let held = store::hold(connection, actor, keys, now).await?;
    let guesses = held.failed(trying.since, now);
    store::note(connection, actor, keys, (&guesses, now)).await?;
    store::note_network(connection, actor, keys, (now, NETWORK)).await
}

/// Forgets what failed with these names: whoever has them has shown it otherwise, if the
/// transaction commits.
pub async fn forgiven(
    connection: &mut PgConnection,
    app: &App,
    visitor: &Visitor,
    names: &[String],
) -> Result<()> {
    let keys: Vec<_> = names.iter().map(|name| name_key(app, name)).collect();
    store::forgive(connection, visitor, &keys).await
}

/// Forgets what failed with the names of an account and with its own password; whether there is
/// such an account.
pub async fn unlock(
    connection: &mut PgConnection,
    app: &App,
    actor: &impl Actor,
    account: Account,
) -> Result<bool> {
    let Some(names) = store::names(connection, account).await? else { return Ok(false) };
    let names = names.iter().map(|name| name_key(app, name));
    let keys: Vec<_> = names.chain([own_password_key(app, account.user())]).collect();
    store::forgive(connection, actor, &keys).await?;
    Ok(true)
}

/// Whatever the password is, and whoever the name is.
fn locked(until: DateTime<Utc>, now: DateTime<Utc>) -> Error {
    let seconds = seconds_to(until, now);
    Error::new(
        Code::AccountLocked,
        format!("Too many attempts failed with this name; try again in {seconds} s."),
    )
    .retry_after(seconds)
}

/// One more failure than those who try now could be one too many.
fn others_first() -> Error {
    let detail = "Others try this name at this moment; try again in 1 s.";
    Error::new(Code::AccountLocked, detail).retry_after(1)
}

fn too_many_from_there(until: DateTime<Utc>, now: DateTime<Utc>) -> Error {
    let seconds = seconds_to(until, now);
    Error::new(
        Code::TooManyRequests,
        format!("Too many sign-ins failed from this network; try again in {seconds} s."),
    )
    .retry_after(seconds)
}

/// Whole ones, and none too few.
fn seconds_to(until: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    let milliseconds = (until - now).num_milliseconds().max(1);
    u64::try_from(milliseconds).unwrap_or(1).div_ceil(1_000)
}
