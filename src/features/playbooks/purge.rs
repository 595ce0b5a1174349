//! Deleted playbooks and versions, gone for good: a batch in each transaction. What somebody is
//! restoring is passed over, and what belongs to a mandate that is itself to be purged goes with
//! that.

use chrono::Duration;
use serde_json::json;

use super::version_routes;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::jobs::{BATCH, Job, Task, Worked};
use crate::kernel::error::Result;
use crate::kernel::ids::MandateId;

/// Purges playbooks, with their versions.
pub const PURGE_PLAYBOOKS: Job = Job {
    name: "purge_playbooks",
    every: Some(Duration::minutes(1)),
    work: |task| Box::pin(playbooks(task)),
};
/// Purges versions.
pub const PURGE_VERSIONS: Job = Job {
    name: "purge_playbook_versions",
    every: Some(Duration::minutes(1)),
    work: |task| Box::pin(versions(task)),
};

async fn playbooks(task: &mut Task) -> Result<Worked> {
    let purged = sqlx::query!(
        "with due as (
           select p.mandate_id, p.instance_id, p.id from playbooks p
           where p.purge_at <= $1 and not exists (select from mandates d where d.id = p.mandate_id
               and d.purge_at <= $1)
           order by p.purge_at limit $2 for update skip locked)
         delete from playbooks p using due where p.mandate_id = due.mandate_id
           and p.instance_id = due.instance_id and p.id = due.id
         returning p.mandate_id, p.instance_id, p.id, p.name, p.title",
        task.context.now(),
        i64::from(BATCH),
    )
    .fetch_all(&mut **task)
    .await?;
    let events = purged.iter().map(|playbook| {
        let before = json!({
            "instanceId": playbook.instance_id, "name": playbook.name, "title": playbook.title,
        });
        let event = Event::new(Action::PlaybookPurged, ResourceType::Playbook, playbook.id)
            .details(json!({ "before": before }));
        (MandateId::from(playbook.mandate_id), event)
    });
    told(task, events.collect()).await
}

/// Whoever changes something in a playbook locks the playbook first.
async fn versions(task: &mut Task) -> Result<Worked> {
    let purged = sqlx::query!(
        "with due as (
           select v.mandate_id, v.instance_id, v.playbook_id, v.number
           from playbook_versions v
           join playbooks p on p.mandate_id = v.mandate_id and p.instance_id = v.instance_id
             and p.id = v.playbook_id
           where v.purge_at <= $1
             and not exists (select from mandates d
                             where d.id = v.mandate_id and d.purge_at <= $1)
           order by v.purge_at limit $2
           for no key update of p skip locked for update of v skip locked)
         delete from playbook_versions v using due
         where v.mandate_id = due.mandate_id and v.instance_id = due.instance_id
           and v.playbook_id = due.playbook_id and v.number = due.number
         returning v.mandate_id, v.instance_id, v.playbook_id, v.number, v.revision, v.size",
        task.context.now(),
        i64::from(BATCH),
    )
    .fetch_all(&mut **task)
    .await?;
    let events = purged.iter().map(|version| {
        let before = json!({
            "instanceId": version.instance_id, "number": version.number,
            "revision": version.revision, "size": version.size,
        });
        let event =
            version_routes::event(Action::PlaybookVersionPurged, version.playbook_id.into())
                .details(json!({ "before": before }));
        (MandateId::from(version.mandate_id), event)
    });
    told(task, events.collect()).await
}

async fn told(task: &mut Task, events: Vec<(MandateId, Event)>) -> Result<Worked> {
    if let Some((_, event)) = events.first() {
        tracing::info!(rows = events.len(), "{}", event.action());
    }
    let context = task.context.clone();
    let recorded = audit::record_each(task, &context, &events).await?;
    Ok(Worked::batch(recorded, events.len()))
}
