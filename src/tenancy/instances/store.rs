//! Making, changing and deleting instances.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{FeatureInstance, label_taken};
use crate::access::tables::{Create, Delete, Instances, Update};
use crate::context::{Grant, Opened};
use crate::kernel::error::{OnConstraint, Result};
use crate::kernel::ids::InstanceId;
use crate::kernel::names::Name;
use crate::tenancy::catalogue;

pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Create>,
    feature: &str,
    label: &Name,
    now: DateTime<Utc>,
) -> Result<FeatureInstance> {
    let row = sqlx::query_as!(
        FeatureInstance,
        "insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
           values ($1, $2, $3, $4, $5, $6)
         returning id, feature_code, mandate_id, label, enabled, version, created_at",
        InstanceId::new().uuid(),
        grant.mandate_uuid(),
        feature,
        label.as_str(),
        label.key(),
        now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("feature_instances_label_key", label_taken)
        .on_constraint("feature_instances_feature_code_fkey", catalogue::unknown)
}

pub(super) async fn update(
    connection: &mut PgConnection,
    instance: &Opened<Instances, Update, FeatureInstance>,
    label: Option<&Name>,
    enabled: Option<bool>,
) -> Result<FeatureInstance> {
    let row = sqlx::query_as!(
        FeatureInstance,
        "update feature_instances set
           label = coalesce($3, label), label_key = coalesce($4, label_key),
           enabled = coalesce($5, enabled), version = version + 1
         where mandate_id = $1 and id = $2
         returning id, feature_code, mandate_id, label, enabled, version, created_at",
        instance.grant().mandate_uuid(),
        instance.grant().instance_uuid(),
        label.map(Name::as_str),
        label.map(Name::key),
        enabled,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("feature_instances_label_key", label_taken)
}

/// Deletes the instance with its roles, admissions and data.
pub(super) async fn delete(
    connection: &mut PgConnection,
    instance: &Opened<Instances, Delete, FeatureInstance>,
) -> Result<()> {
    sqlx::query!(
        "delete from feature_instances where mandate_id = $1 and id = $2",
        instance.grant().mandate_uuid(),
        instance.grant().instance_uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
