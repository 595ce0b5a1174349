//! Whether a session is alive, and at which epochs.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, SessionId, UserId};

/// The numbers that a cached context stands and falls with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    pub user: i64,
    pub mandate: Option<i64>,
    pub catalogue: i64,
}

/// What every request asks first.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    pub is_sys_admin: bool,
    pub epochs: Epochs,
}

/// Whether the session is alive, and the present epochs. `None`: sign in first.
pub async fn freshness(
    executor: impl PgExecutor<'_>,
    session: SessionId,
    user: UserId,
    mandate: Option<MandateId>,
    now: DateTime<Utc>,
) -> Result<Option<Fresh>> {
    let row = sqlx::query!(
        r#"select u.is_sys_admin, ue.epoch as user_epoch, ce.epoch as catalogue_epoch,
             me.epoch as "mandate_epoch?"
           from sessions s
           join users u on u.id = s.user_id
           join user_epochs ue on ue.user_id = s.user_id
           cross join catalogue_epoch ce
           left join mandate_epochs me on me.mandate_id = $3
           where s.id = $1 and s.user_id = $2 and s.revoked_at is null and s.expires_at > $4
             and u.enabled and u.erased_at is null"#,
        session.uuid(),
        user.uuid(),
        mandate.map(MandateId::uuid),
        now,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Fresh {
        is_sys_admin: row.is_sys_admin,
        epochs: Epochs {
            user: row.user_epoch,
            mandate: row.mandate_epoch,
            catalogue: row.catalogue_epoch,
        },
    }))
}
