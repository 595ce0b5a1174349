//! Writing the audit trail: who did what, in the transaction that did it. A writing transaction
//! commits only with the [`Recorded`] that these functions return, so a mutation without its event
//! does not compile.
//!
//! Exactly one event for each scope that a mutation touches: each mandate, and the platform. Events
//! hold ids, role labels and levels as they were; names and addresses of people never.

mod event;
pub(super) mod recorded;
mod store;
mod words;

use sqlx::PgConnection;
use tracing::Instrument;

use super::actor::Actor;
use super::mandate::MandateContext;
use super::proof::Account;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::MandateId;

pub use event::Event;
pub use recorded::Recorded;
pub use words::{Action, ResourceType};

/// Writes the event into the trail of the actor's mandate, as the tenant.
pub async fn record(
    connection: &mut PgConnection,
    actor: &impl Actor,
    event: Event,
) -> Result<Recorded> {
    store::insert(connection, actor, actor.scope(), &event).await?;
    Ok(Recorded(()))
}

/// The same as the system, where the transaction had to look beyond the mandate.
pub async fn record_as_system(
    connection: &mut PgConnection,
    actor: &impl Actor,
    event: Event,
) -> Result<Recorded> {
    store::insert_as_system(connection, actor, &[actor.scope()], &event).await?;
    Ok(Recorded(()))
}

/// Writes the event of something that was refused, or only asked about: in a transaction of its
/// own, which lasts.
pub async fn record_in_earnest(context: &MandateContext, event: Event) -> Result<()> {
    let context = context.clone();
    // In a task of its own too: a request with an `Idempotency-Key` undoes whatever its task did
    // where it is refused.
    let work = async move {
        let write = async {
            let mut writing = context.caller().write_in_earnest().await?;
            let recorded = record_as_system(&mut writing, &context, event).await?;
            writing.commit(recorded).await
        };
        context.caller().services().attended(write).await
    };
    tokio::spawn(work.in_current_span()).await.map_err(Error::internal)?
}

/// Writes the event into the platform's trail, as the system.
pub async fn record_platform(
    connection: &mut PgConnection,
    actor: &impl Actor,
    event: Event,
) -> Result<Recorded> {
    store::insert_as_system(connection, actor, &[None], &event).await?;
    Ok(Recorded(()))
}

/// Writes the event into these trails, `None` being the platform's, as the system.
pub(super) async fn record_in(
    connection: &mut PgConnection,
    actor: &impl Actor,
    scopes: &[Option<MandateId>],
    event: Event,
) -> Result<Recorded> {
    store::insert_as_system(connection, actor, scopes, &event).await?;
    Ok(Recorded(()))
}

/// Writes the event into the platform's trail and into those of the mandates that it touches, as
/// the system.
pub async fn record_everywhere(
    connection: &mut PgConnection,
    actor: &impl Actor,
    mandates: &[MandateId],
    event: Event,
) -> Result<Recorded> {
    let scopes: Vec<_> = std::iter::once(None).chain(mandates.iter().copied().map(Some)).collect();
    record_in(connection, actor, &scopes, event).await
}

/// Forgets the addresses that somebody acted from, or tried to sign in from, and the reasons that
/// they gave or that speak of them; the events stay. After the last event of whoever is to be
/// forgotten, since that one notes an address too.
pub async fn forget_addresses(connection: &mut PgConnection, actor: Account) -> Result<()> {
    store::delete_addresses(connection, actor).await
}

/// Writes each event into the trail of its mandate, as the system.
pub async fn record_each(
    connection: &mut PgConnection,
    actor: &impl Actor,
    events: &[(MandateId, Event)],
) -> Result<Recorded> {
    if events.is_empty() {
        return Ok(Recorded::nothing_changed());
    }
    store::insert_each_as_system(connection, actor, events).await?;
    Ok(Recorded(()))
}
