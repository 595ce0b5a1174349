//! Deleted mandates, gone for good. One job finds those whose time has come; each of them is a job
//! of its own, so that one that cannot be purged does not keep the others.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::jobs::{self, BATCH, Job, Task, Worked};
use crate::context::{Recorded, System};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::MandateId;

/// Finds what is to be purged.
pub const FIND_DELETED: Job = Job {
    name: "find_mandates_to_purge",
    every: Some(Duration::minutes(1)),
    work: |task| Box::pin(find(task)),
};
/// Purges one mandate.
pub const PURGE: Job =
    Job { name: "purge_mandate", every: None, work: |task| Box::pin(purge(task)) };

async fn find(task: &mut Task) -> Result<Worked> {
    let now = task.context.now();
    let due = sqlx::query_scalar!(
        "select id from mandates where purge_at <= $1 and not exists (select from jobs
             where name = $2 and subject = id::text)
         order by purge_at limit $3",
        now,
        PURGE.name,
        i64::from(BATCH),
    )
    .fetch_all(&mut **task)
    .await?;
    let system = task.context.system();
    let subjects: Vec<String> = due.iter().map(Uuid::to_string).collect();
    jobs::ask(task, system, PURGE.name, &subjects, now).await?;
    Ok(Worked::batch(Recorded::nothing_changed(), subjects.len()))
}

async fn purge(task: &mut Task) -> Result<Worked> {
    let mandate: MandateId = task.subject.parse().map_err(Error::internal)?;
    let now = task.context.now();
    let system = task.context.system();
    let Some(doomed) = doom(task, system, mandate, now).await? else {
        return Ok(Worked::whole(Recorded::nothing_changed())); // restored, or purged before
    };
    let taken =
        sqlx::query_scalar!(r#"select purge_part($1, $2) as "taken!""#, mandate.uuid(), BATCH)
            .fetch_one(&mut **task)
            .await?;
    if taken >= BATCH {
        return Ok(Worked::in_part(Recorded::nothing_changed()));
    }
    sqlx::query!("delete from mandates where id = $1", mandate.uuid()).execute(&mut **task).await?;
    let context = task.context.clone();
    let event =
        Event::new(Action::MandatePurged, ResourceType::Mandate, mandate).details(doomed.told());
    let recorded = audit::record_everywhere(task, &context, &[mandate], event).await?;
    tracing::info!(%mandate, "purged a mandate");
    Ok(Worked::whole(recorded))
}

struct Doomed {
    name: String,
    code: String,
    deleted_at: Option<DateTime<Utc>>,
}

impl Doomed {
    fn told(&self) -> serde_json::Value {
        json!({ "before": { "name": self.name, "code": self.code, "deletedAt": self.deleted_at } })
    }
}

/// Locks a mandate whose time has come. From then on nobody restores it, whatever their clock says:
/// it may take several transactions to purge, and there is no way back from the middle.
async fn doom(
    connection: &mut PgConnection,
    _: System,
    mandate: MandateId,
    now: DateTime<Utc>,
) -> Result<Option<Doomed>> {
    let doomed = sqlx::query_as!(
        Doomed,
        "update mandates set purge_at = deleted_at where id = $1 and purge_at <= $2
           returning name, code, deleted_at",
        mandate.uuid(),
        now,
    );
    Ok(doomed.fetch_optional(connection).await?)
}
