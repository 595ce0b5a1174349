//! Finding the instance of a grant.

use sqlx::PgConnection;

use super::FeatureInstance;
use crate::access::tables::{Instances, Op};
use crate::context::{Grant, Sealed};
use crate::kernel::error::Result;

/// The instance of the grant. How near it is, the statement says as the one does that makes the
/// instance's context (`context/load/instance.rs`), so the two judge alike.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Instances, O>,
) -> Result<Option<Sealed<Instances, FeatureInstance>>> {
    let row = sqlx::query!(
        r#"select i.id, i.feature_code, i.mandate_id, i.label, i.enabled, i.version, i.created_at,
                  case when exists (select 1 from feature_accesses a
                                    where a.mandate_id = $1 and a.instance_id = i.id
                                      and a.enabled and a.user_id = $3)
                         then 1::smallint
                       when exists (select 1 from feature_accesses a
                                    where a.mandate_id = $1 and a.instance_id = i.id
                                      and a.enabled
                                      and a.user_id in (select p.user_id
                                                        from group_peers($1, $3) p))
                         then 2::smallint
                       else 3::smallint end as "needed!"
           from feature_instances i where i.mandate_id = $1 and i.id = $2"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let instance = FeatureInstance {
            id: row.id.into(),
            feature_code: row.feature_code,
            mandate_id: row.mandate_id.into(),
            label: row.label,
            enabled: row.enabled,
            version: row.version,
            created_at: row.created_at,
        };
        grant.seal(row.needed, instance)
    }))
}

/// The same, locked until the transaction ends: what a change begins with. The lock comes first, so
/// that what is then read is what another change left.
pub(super) async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Instances, O>,
) -> Result<Option<Sealed<Instances, FeatureInstance>>> {
    sqlx::query!(
        "select id from feature_instances where mandate_id = $1 and id = $2 for no key update",
        grant.mandate_uuid(),
        grant.instance_uuid(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    find(connection, grant).await
}
