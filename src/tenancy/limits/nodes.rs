//! The nodes that are alive, by a row that each of them writes again and again: callers' budgets
//! are divided by their number. And what other nodes were told of mandates' limits is taken over at
//! every beat.

use std::time::Duration;

use super::{node_store, store};
use crate::context::{Recorded, RequestMeta, Services, SystemContext};
use crate::http::app::App;
use crate::kernel::error::Result;

/// Between two beats.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);

/// A node of which nothing was seen for three beats counts as gone.
const SILENCE: Duration = BEAT_EVERY.saturating_mul(3);

/// Says that this node is alive, and learns of the others and of the limits that they were told.
pub async fn beat(app: &App) -> Result<()> {
    app.services().attended(tell(app)).await
}

async fn tell(app: &App) -> Result<()> {
    let context = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let mut writing = context.write().await?;
    let system = context.system();
    let unheeded = app.unheeded().was_seen();
    let others = node_store::see(&mut writing, system, app.node(), unheeded, SILENCE).await?;
    let limits = store::all(&mut writing, system).await?;
    writing.commit(Recorded::nothing_changed()).await?;
    app.limits().set_nodes(u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1));
    app.limits().set_mandates(limits.into_iter());
    Ok(())
}

/// Says that this node is gone, so that the others need not wait until they miss it.
pub async fn leave(app: &App) -> Result<()> {
    let context = SystemContext::unattended(app.services().clone(), RequestMeta::default());
    let mut writing = context.write().await?;
    node_store::take_leave(&mut writing, context.system(), app.node()).await?;
    writing.commit(Recorded::nothing_changed()).await
}

/// How many nodes, of those that were there in the last day, had requests that tell in vain where
/// they come from.
pub async fn forwarding_unheeded(services: &Services) -> Result<i64> {
    let context = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut reading = context.read().await?;
    let nodes = node_store::forwarding_unheeded(&mut reading, context.system()).await?;
    reading.finish().await?;
    Ok(nodes)
}
