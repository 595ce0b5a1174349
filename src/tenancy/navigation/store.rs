//! The one statement behind `/api/features/my`: is the session alive, what are the epochs, and,
//! where they are not those of the body that the caller keeps, what is open to the user. It starts
//! from the user, so that its cost grows with their own instances and not with other mandates.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::access::HeldRole;
use crate::context::authorize::DeferredCaller;
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId};
use crate::kernel::translations::Texts;

/// The numbers that a kept body stands and falls with. `mandates` is the sum over the user's
/// mandates: it only grows while the memberships stay, and those are covered by `user`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epochs {
    pub user: i64,
    pub catalogue: i64,
    pub mandates: i64,
}

/// An instance that is open to the user.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub mandate_id: MandateId,
    pub mandate_name: String,
    pub mandate_code: String,
    pub feature_code: String,
    pub feature_label: Texts,
    pub icon: String,
    pub tables: Vec<String>,
    pub views: Vec<String>,
    pub instance_id: InstanceId,
    pub instance_label: String,
    pub roles: Vec<HeldRole>,
}

pub(super) struct NavigationRows {
    pub epochs: Epochs,
    /// `None` where the epochs are those that the caller named.
    pub rows: Option<Vec<Row>>,
}

/// `None`: sign in first. `materialized`, or the sum over the mandates would be taken once for each
/// place that names it; and a function, since most callers need no rows, and a plan that is only
/// stepped over has to be set up all the same.
pub(super) async fn find(
    reader: impl PgExecutor<'_>,
    caller: &DeferredCaller,
    now: DateTime<Utc>,
    kept: Option<Epochs>,
) -> Result<Option<NavigationRows>> {
    let claims = caller.claims();
    let row = sqlx::query!(
        r#"with fresh as materialized (
             select ue.epoch as user_epoch, ce.epoch as catalogue_epoch,
                    (select coalesce(sum(me.epoch), 0)::bigint from memberships m
                        join mandate_epochs me on me.mandate_id = m.mandate_id
                     where m.user_id = s.user_id) as mandates_epoch
             from sessions s
             join users u on u.id = s.user_id
             join user_epochs ue on ue.user_id = s.user_id
             cross join catalogue_epoch ce
             where s.id = $1 and s.user_id = $2 and s.revoked_at is null and s.expires_at > $3
               and u.enabled and u.erased_at is null)
           select user_epoch as "user_epoch!", catalogue_epoch as "catalogue_epoch!",
             mandates_epoch as "mandates_epoch!",
             case when user_epoch = $4 and catalogue_epoch = $5 and mandates_epoch = $6 then null
             else navigation_of($2) end as "rows?: Json<Vec<Row>>"
           from fresh"#,
        claims.session.uuid(),
        claims.user.uuid(),
        now,
        kept.map(|epochs| epochs.user),
        kept.map(|epochs| epochs.catalogue),
        kept.map(|epochs| epochs.mandates),
    )
    .fetch_optional(reader)
    .await?;
    Ok(row.map(|row| NavigationRows {
        epochs: Epochs {
            user: row.user_epoch,
            catalogue: row.catalogue_epoch,
            mandates: row.mandates_epoch,
        },
        rows: row.rows.map(|rows| rows.0),
    }))
}
