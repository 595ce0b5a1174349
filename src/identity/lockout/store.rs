//! What is noted of failed attempts, in the database: right across nodes and restarts.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

use super::Keys;
use super::guesses::Guesses;
use crate::context::{Account, Actor};
use crate::kernel::error::Result;

/// What is noted of a name, and of where an attempt comes from.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub guesses: Guesses,
    pub network_locked_until: Option<DateTime<Utc>>,
}

/// Looked at by whoever may have to be refused: that writes nothing.
pub(super) async fn look(
    connection: &mut PgConnection,
    _: &impl Actor,
    keys: &Keys,
) -> Result<Noted> {
    let row = sqlx::query!(
        r#"select g.failed_at as "failed_at?", g.trying_since as "trying_since?",
             g.locks as "locks?", g.locked_until as "locked_until?",
             (select n.locked_until from locked_networks n
              where n.network = $2::text::inet) as "network?"
           from (select) here left join guesses g on g.key = $1"#,
        &keys.name,
        keys.network.as_deref(),
    )
    .fetch_one(connection)
    .await?;
    Ok(Noted {
        guesses: Guesses {
            failed_at: row.failed_at.unwrap_or_default(),
            trying_since: row.trying_since.unwrap_or_default(),
            locks: row.locks.unwrap_or_default(),
            locked_until: row.locked_until,
        },
        network_locked_until: row.network,
    })
}

/// What is noted of a name, held until the transaction ends: those who try at the same moment come
/// one after the other.
pub(super) async fn hold(
    connection: &mut PgConnection,
    _: &impl Actor,
    keys: &Keys,
    now: DateTime<Utc>,
) -> Result<Guesses> {
    let held = sqlx::query_as!(
        Guesses,
        "insert into guesses as g (key, forgotten_at) values ($1, $2)
         on conflict (key) do update set key = g.key
         returning failed_at, trying_since, locks, locked_until",
        &keys.name,
        now,
    );
    Ok(held.fetch_one(connection).await?)
}

/// Notes it of a name that is held.
pub(super) async fn note(
    connection: &mut PgConnection,
    _: &impl Actor,
    keys: &Keys,
    (guesses, now): (&Guesses, DateTime<Utc>),
) -> Result<()> {
    sqlx::query!(
        "update guesses set failed_at = $2, trying_since = $3, locks = $4, locked_until = $5,
           forgotten_at = $6
         where key = $1",
        &keys.name,
        &guesses.failed_at,
        &guesses.trying_since,
        guesses.locks,
        guesses.locked_until,
        guesses.forgotten_at().unwrap_or(now),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets what is noted of a name.
pub(super) async fn forget(
    connection: &mut PgConnection,
    _: &impl Actor,
    keys: &Keys,
) -> Result<()> {
    sqlx::query!("delete from guesses where key = $1", &keys.name).execute(connection).await?;
    Ok(())
}

/// What somebody signs in with; `None` where there is no such account.
pub(super) async fn names(
    connection: &mut PgConnection,
    account: Account,
) -> Result<Option<Vec<String>>> {
    let names = sqlx::query_scalar!(
        r#"select array_remove(array[username_key, email_key], null) as "names!"
           from users where id = $1 and erased_at is null"#,
        account.user().uuid()
    );
    Ok(names.fetch_optional(connection).await?)
}

/// Forgets what is noted under these keys. In one order everywhere: two who do so wait for each
/// other, not for ever.
pub(super) async fn forgive(
    connection: &mut PgConnection,
    _: &impl Actor,
    keys: &[Vec<u8>],
) -> Result<()> {
    sqlx::query!(
        "with held as materialized (
           select key from guesses where key = any ($1) order by key for update)
         delete from guesses where key in (select key from held)",
        keys
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How many failures from one network, over how many names, lock it.
#[derive(Debug, Clone, Copy)]
pub(super) struct NetworkRule {
    pub failures: i64,
    pub names: i64,
    pub window: Duration,
    pub lock: Duration,
    /// So many are looked at in a window, at most.
    pub most: i64,
}

/// Notes where a failure came from, and locks the network where there were too many, over too many
/// names.
pub(super) async fn note_network(
    connection: &mut PgConnection,
    _: &impl Actor,
    keys: &Keys,
    (now, rule): (DateTime<Utc>, NetworkRule),
) -> Result<()> {
    let Some(network) = &keys.network else { return Ok(()) };
    sqlx::query!(
        "with noted as (
           insert into guesses_from (network, key, at) values ($1::text::inet, $2, $3)),
         lately as (
           select count(*) + 1 as failures,
             count(distinct key) filter (where key <> $2) + 1 as names
           from (select key from guesses_from where network = $1::text::inet and at > $4
                 order by at desc limit $8) g)
         insert into locked_networks as l (network, locked_until)
         select $1::text::inet, $7 from lately where failures >= $5 and names >= $6
         on conflict (network)
           do update set locked_until = greatest(l.locked_until, excluded.locked_until)",
        network,
        &keys.name,
        now,
        now - rule.window,
        rule.failures,
        rule.names,
        now + rule.lock,
        rule.most,
    )
    .execute(connection)
    .await?;
    Ok(())
}
