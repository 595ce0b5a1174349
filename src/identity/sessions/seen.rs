//! Writing down which sessions were used lately.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::context::{Recorded, RequestMeta, Services, System, SystemContext};
use crate::kernel::error::Result;

/// What cannot be written is lost: it is noted again when they are used again.
pub async fn write_seen(services: &Services) -> Result<()> {
    let seen = services.take_seen();
    if seen.is_empty() {
        return Ok(());
    }
    let (sessions, times): (Vec<Uuid>, Vec<_>) =
        seen.into_iter().map(|(session, at)| (session.uuid(), at)).unzip();
    let context = SystemContext::unattended(services.clone(), RequestMeta::default());
    let work = async {
        let mut writing = context.write().await?;
        write(&mut writing, context.system(), &sessions, &times).await?;
        writing.commit(Recorded::nothing_changed()).await
    };
    services.attended(work).await
}

/// Those that somebody renews at that moment are seen by that.
async fn write(
    connection: &mut PgConnection,
    _: System,
    sessions: &[Uuid],
    times: &[DateTime<Utc>],
) -> Result<()> {
    sqlx::query!(
        "with seen as (
           select r.session_id, s.at
           from unnest($1::uuid[], $2::timestamptz[]) s (session, at)
           join session_refreshes r on r.session_id = s.session and r.last_seen_at < s.at
           order by 1 for no key update of r skip locked)
         update session_refreshes r set last_seen_at = seen.at
         from seen where r.session_id = seen.session_id",
        sessions,
        times,
    )
    .execute(connection)
    .await?;
    Ok(())
}
