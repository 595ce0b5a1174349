//! The one statement behind `/api/features/my`, where the node keeps no body of the present epochs:
//! what is open to the user, and at which epochs. It starts from the user, so that its cost grows
//! with their own instances and not with other mandates.

use serde::Deserialize;
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::access::HeldRole;
use crate::context::Epochs;
use crate::context::authorize::CheckedCaller;
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId};
use crate::kernel::translations::Texts;

/// An instance that is open to the user.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub mandate_id: MandateId,
    pub mandate_name: String,
    pub mandate_code: String,
    pub allows_impersonation: bool,
    pub feature_code: String,
    pub feature_label: Texts,
    pub icon: String,
    pub tables: Vec<String>,
    pub views: Vec<String>,
    pub instance_id: InstanceId,
    pub instance_label: String,
    pub roles: Vec<HeldRole>,
}

/// What is open to a user, and what it hangs on.
pub(super) struct NavigationRows {
    /// Of no era: whoever keeps it says of which. Together for all mandates of the user.
    pub epochs: Epochs,
    pub mandates: Vec<MandateId>,
    pub rows: Vec<Row>,
}

/// All of one moment. `None`: there is no such user.
pub(super) async fn find(
    reader: impl PgExecutor<'_>,
    caller: &CheckedCaller,
) -> Result<Option<NavigationRows>> {
    let row = sqlx::query!(
        r#"select ue.epoch as user_epoch, ce.epoch as catalogue_epoch,
                  own.epoch as "mandates_epoch!", own.mandates as "mandates!",
                  navigation_of(ue.user_id) as "rows!: Json<Vec<Row>>"
           from user_epochs ue
           cross join catalogue_epoch ce
           cross join lateral (
             select coalesce(sum(me.epoch), 0)::bigint as epoch,
                    coalesce(array_agg(m.mandate_id), '{}') as mandates
             from memberships m
             join mandate_epochs me on me.mandate_id = m.mandate_id
             where m.user_id = ue.user_id) own
           where ue.user_id = $1"#,
        caller.user().uuid(),
    )
    .fetch_optional(reader)
    .await?;
    let may_see = |row: &Row| !caller.is_impersonated() || row.allows_impersonation;
    Ok(row.map(|row| NavigationRows {
        epochs: Epochs {
            user: row.user_epoch,
            mandates: row.mandates_epoch,
            catalogue: row.catalogue_epoch,
            era: Epochs::OF_NO_ERA,
        },
        mandates: row.mandates.into_iter().map(MandateId::from).collect(),
        rows: row.rows.0.into_iter().filter(may_see).collect(),
    }))
}
