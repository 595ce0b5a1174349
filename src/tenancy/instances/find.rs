//! Finding the instance of a grant.

use sqlx::PgConnection;

use super::FeatureInstance;
use crate::access::tables::{Instances, Op};
use crate::context::Grant;
use crate::kernel::error::Result;

/// The instance of the grant. It was reached before there was a grant over its row.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Instances, O>,
) -> Result<Option<FeatureInstance>> {
    let row = sqlx::query_as!(
        FeatureInstance,
        "select id, feature_code, mandate_id, label, enabled, version, created_at
         from feature_instances where mandate_id = $1 and id = $2",
        grant.mandate_uuid(),
        grant.instance_uuid(),
    );
    Ok(row.fetch_optional(connection).await?)
}

/// The same, locked until the transaction ends: what a change begins with.
pub(super) async fn find_for_change<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Instances, O>,
) -> Result<Option<FeatureInstance>> {
    let row = sqlx::query_as!(
        FeatureInstance,
        "select id, feature_code, mandate_id, label, enabled, version, created_at
         from feature_instances where mandate_id = $1 and id = $2 for no key update",
        grant.mandate_uuid(),
        grant.instance_uuid(),
    );
    Ok(row.fetch_optional(connection).await?)
}
