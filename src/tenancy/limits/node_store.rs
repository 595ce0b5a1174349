//! The nodes in the database. Time is the database's: nodes' clocks may differ.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::context::System;
use crate::kernel::error::Result;

/// Notes that a node is there, and how many others were seen since `silence` ago. Who was gone for
/// a day is forgotten.
pub(super) async fn see(
    connection: &mut PgConnection,
    _: System,
    node: Uuid,
    forwards_unheeded: bool,
    silence: Duration,
) -> Result<i64> {
    let others = sqlx::query_scalar!(
        r#"with here as (insert into nodes (id, seen_at, forwards_unheeded) values ($1, now(), $3)
                         on conflict (id) do update set seen_at = now(), forwards_unheeded = $3),
             gone as (delete from nodes where id <> $1 and seen_at < now() - interval '1 day')
           select count(*) as "others!" from nodes
             where id <> $1 and seen_at > now() - make_interval(secs => $2)"#,
        node,
        silence.as_secs_f64(),
        forwards_unheeded,
    )
    .fetch_one(connection)
    .await?;
    Ok(others)
}

/// Notes that a node is gone. What it has to tell to whoever looks for faults stays a day; silent
/// for long, it does not count.
pub(super) async fn take_leave(connection: &mut PgConnection, _: System, node: Uuid) -> Result<()> {
    sqlx::query!(
        "with gone as (delete from nodes where id = $1 and not forwards_unheeded)
         update nodes set seen_at = now() - interval '1 hour' where id = $1 and forwards_unheeded",
        node
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How many of the last day had requests that tell in vain where they come from.
pub(super) async fn forwarding_unheeded(connection: &mut PgConnection, _: System) -> Result<i64> {
    let nodes = sqlx::query_scalar!(
        r#"select count(*) as "nodes!" from nodes
           where forwards_unheeded and seen_at > now() - interval '1 day'"#
    )
    .fetch_one(connection)
    .await?;
    Ok(nodes)
}
