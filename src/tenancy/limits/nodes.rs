//! The nodes that are alive, by a row that each of them writes again and again: callers' budgets
//! are divided by their number. And what other nodes were told of mandates' limits is taken over at
//! every beat.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::store;
use crate::context::{Recorded, RequestMeta, Services, System, SystemContext};
use crate::http::app::App;
use crate::kernel::error::Result;

/// Between two beats. A node that was silent for three of them counts as gone.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Says that this node is alive, and learns of the others and of the limits that they were told.
pub async fn beat(app: &App) -> Result<()> {
    app.services().attended(tell(app)).await
}

async fn tell(app: &App) -> Result<()> {
    let context = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let mut writing = context.write().await?;
    let system = context.system();
    let alive = seen(&mut writing, system, app.node(), app.unheeded().was_seen()).await?;
    let limits = store::all(&mut writing, system).await?;
    writing.commit(Recorded::nothing_changed()).await?;
    app.limits().set_nodes(alive);
    app.limits().set_mandates(limits.into_iter());
    Ok(())
}

/// Says that this node is gone, so that the others need not wait until they miss it.
pub async fn leave(app: &App) -> Result<()> {
    let mut writing =
        SystemContext::unattended(app.services().clone(), RequestMeta::default()).write().await?;
    // What it has to tell to whoever looks for faults stays a day; silent for long, it does not
    // count.
    sqlx::query!(
        "with gone as (delete from nodes where id = $1 and not forwards_unheeded)
         update nodes set seen_at = now() - interval '1 hour' where id = $1 and forwards_unheeded",
        app.node()
    )
    .execute(&mut *writing)
    .await?;
    writing.commit(Recorded::nothing_changed()).await
}

/// How many nodes, of those that were there in the last day, had requests that tell in vain where
/// they come from.
pub async fn forwarding_unheeded(services: &Services) -> Result<i64> {
    let mut reading =
        SystemContext::unattended(services.clone(), RequestMeta::default()).read().await?;
    let nodes = sqlx::query_scalar!(
        r#"select count(*) as "nodes!" from nodes
           where forwards_unheeded and seen_at > now() - interval '1 day'"#
    )
    .fetch_one(&mut *reading)
    .await?;
    reading.finish().await?;
    Ok(nodes)
}

/// How many nodes are alive, this one among them. Time is the database's: nodes' clocks may differ.
async fn seen(
    connection: &mut PgConnection,
    _: System,
    node: Uuid,
    forwards_unheeded: bool,
) -> Result<u32> {
    let others = sqlx::query_scalar!(
        r#"with here as (insert into nodes (id, seen_at, forwards_unheeded) values ($1, now(), $3)
                         on conflict (id) do update set seen_at = now(), forwards_unheeded = $3),
             gone as (delete from nodes where id <> $1 and seen_at < now() - interval '1 day')
           select count(*) as "others!" from nodes
             where id <> $1 and seen_at > now() - make_interval(secs => $2)"#,
        node,
        3.0 * BEAT_EVERY.as_secs_f64(),
        forwards_unheeded,
    )
    .fetch_one(connection)
    .await?;
    Ok(u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1))
}
