//! Writing the trail's rows. Two texts of the same insert: a statement runs under one database role
//! only, since plans that depend on row-level security are made anew when the role changes.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::event::Event;
use crate::context::actor::Actor;
use crate::context::proof::Account;
use crate::kernel::db::failpoint::Moment;
use crate::kernel::db::once::reach_if_asked;
use crate::kernel::error::Result;
use crate::kernel::ids::{EventId, MandateId, UserId};

/// An address is that of whoever sits there: it goes when they are erased.
fn whose_address(actor: &impl Actor, event: &Event) -> Option<UserId> {
    event.address_of.or(actor.impersonated_by()).or(actor.actor()).or(event.actor)
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    actor: &impl Actor,
    scope: Option<MandateId>,
    event: &Event,
) -> Result<()> {
    debug_assert!(event.reason.is_none(), "reasons are written as the system");
    reach_if_asked(Moment::AfterEffect);
    let by = actor.actor().or(event.actor);
    sqlx::query!(
        "with event as (
           insert into audit_events (id, at, actor_id, mandate_id, action, resource_type,
               resource_id, target_user_id, details, request_id, impersonated_by)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $13))
         insert into audit_addresses (event_id, mandate_id, actor_id, address)
         select $1, $4, $12::uuid, $11::text::inet where $11::text is not null",
        EventId::new().uuid(),
        actor.now(),
        by.map(UserId::uuid),
        scope.map(MandateId::uuid),
        event.action.name(),
        event.resource_type.name(),
        event.resource_id,
        event.target_user.map(UserId::uuid),
        event.details,
        actor.meta().request_id.as_deref(),
        actor.meta().address.map(|address| address.to_string()),
        whose_address(actor, event).map(UserId::uuid),
        actor.impersonated_by().map(UserId::uuid),
    )
    .execute(connection)
    .await?;
    reach_if_asked(Moment::AfterAuditRow);
    Ok(())
}

pub(super) async fn insert_as_system(
    connection: &mut PgConnection,
    actor: &impl Actor,
    scopes: &[Option<MandateId>],
    event: &Event,
) -> Result<()> {
    reach_if_asked(Moment::AfterEffect);
    let by = actor.actor().or(event.actor);
    let ids: Vec<Uuid> = scopes.iter().map(|_| EventId::new().uuid()).collect();
    let mandates: Vec<Option<Uuid>> =
        scopes.iter().map(|scope| scope.map(MandateId::uuid)).collect();
    sqlx::query!(
        "with scopes as (select * from unnest($1::uuid[], $4::uuid[]) s (id, mandate_id)),
         event as (
           insert into audit_events (id, at, actor_id, mandate_id, action, resource_type,
               resource_id, target_user_id, details, request_id, impersonated_by)
           select s.id, $2, $3, s.mandate_id, $5, $6, $7, $8, $9, $10, $13 from scopes s),
         reason as (
           insert into audit_reasons (event_id, mandate_id, actor_id, target_user_id, reason)
           select s.id, s.mandate_id, $3, $8, $14::text from scopes s where $14 is not null)
         insert into audit_addresses (event_id, mandate_id, actor_id, address)
         select s.id, s.mandate_id, $12::uuid, $11::text::inet from scopes s
           where $11::text is not null",
        &ids,
        actor.now(),
        by.map(UserId::uuid),
        &mandates as &[Option<Uuid>],
        event.action.name(),
        event.resource_type.name(),
        event.resource_id,
        event.target_user.map(UserId::uuid),
        event.details,
        actor.meta().request_id.as_deref(),
        actor.meta().address.map(|address| address.to_string()),
        whose_address(actor, event).map(UserId::uuid),
        actor.impersonated_by().map(UserId::uuid),
        event.reason,
    )
    .execute(connection)
    .await?;
    reach_if_asked(Moment::AfterAuditRow);
    Ok(())
}

pub(super) async fn delete_addresses(connection: &mut PgConnection, actor: Account) -> Result<()> {
    sqlx::query!(
        "with reasons as (delete from audit_reasons where actor_id = $1 or target_user_id = $1)
         delete from audit_addresses where actor_id = $1",
        actor.user().uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Many events in one statement; what a job did, so that there is no request and no address.
pub(super) async fn insert_each_as_system(
    connection: &mut PgConnection,
    actor: &impl Actor,
    events: &[(MandateId, Event)],
) -> Result<()> {
    let ids: Vec<Uuid> = events.iter().map(|_| EventId::new().uuid()).collect();
    let mandates: Vec<Uuid> = events.iter().map(|(mandate, _)| mandate.uuid()).collect();
    let text = |field: fn(&Event) -> &str| {
        events.iter().map(|(_, event)| field(event).to_owned()).collect::<Vec<_>>()
    };
    let resources: Vec<Option<String>> =
        events.iter().map(|(_, event)| event.resource_id.clone()).collect();
    let details: Vec<Value> = events.iter().map(|(_, event)| event.details.clone()).collect();
    sqlx::query!(
        "insert into audit_events (id, at, actor_id, mandate_id, action, resource_type, resource_id,
             details, impersonated_by)
         select e.id, $2, $3, e.mandate_id, e.action, e.resource_type, e.resource_id, e.details, $9
         from unnest($1::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::jsonb[])
           e (id, mandate_id, action, resource_type, resource_id, details)",
        &ids,
        actor.now(),
        actor.actor().map(UserId::uuid),
        &mandates,
        &text(|event| event.action.name()),
        &text(|event| event.resource_type.name()),
        &resources as &[Option<String>],
        &details,
        actor.impersonated_by().map(UserId::uuid),
    )
    .execute(connection)
    .await?;
    Ok(())
}
