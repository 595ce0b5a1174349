//! What goes with a membership, as the trail keeps it.

use serde::Serialize;
use sqlx::PgConnection;

use super::Member;
use crate::access::tables::{Delete, Members};
use crate::context::Opened;
use crate::kernel::error::Result;
use crate::kernel::ids::InstanceId;

/// What goes with a membership, for the trail.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Admission {
    instance_id: InstanceId,
    /// Labels.
    roles: Vec<String>,
    enabled: bool,
}

pub(super) async fn admissions(
    connection: &mut PgConnection,
    member: &Opened<Members, Delete, Member>,
) -> Result<Vec<Admission>> {
    let admissions = sqlx::query_as!(
        Admission,
        r#"select a.instance_id, a.enabled,
                  array(select r.label from access_roles h
                        join roles r on r.mandate_id = h.mandate_id
                          and r.instance_id = h.instance_id and r.id = h.role_id
                        where h.mandate_id = a.mandate_id and h.instance_id = a.instance_id
                          and h.user_id = a.user_id
                        order by r.label_key) as "roles!"
           from feature_accesses a
           where a.mandate_id = $1 and a.user_id = $2 order by a.instance_id"#,
        member.grant().mandate_uuid(),
        member.user_id.uuid()
    )
    .fetch_all(connection)
    .await?;
    Ok(admissions)
}
