//! The catalogue in the database. It belongs to no mandate: everybody reads it, only the system
//! writes it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::find::feature_of;
use super::{Feature, InUse, MAX_IN_USE, in_use};
use crate::context::System;
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::translations::Texts;

pub(super) struct NewFeature<'a> {
    pub code: &'a str,
    pub label: &'a Texts,
    pub icon: &'a str,
    pub tables: &'a [String],
    pub views: &'a [String],
    pub now: DateTime<Utc>,
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    _: System,
    feature: &NewFeature<'_>,
) -> Result<Feature> {
    let row = sqlx::query!(
        r#"insert into features (code, label, icon, tables, views, created_at)
         values ($1, $2, $3, $4, $5, $6)
         returning code, label as "label: Json<Texts>", icon, tables, views, built_in, version,
           created_at"#,
        feature.code,
        Json(feature.label) as _,
        feature.icon,
        feature.tables,
        feature.views,
        feature.now,
    )
    .map(|row| feature_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("features_pkey", || {
        Error::new(Code::CodeTaken, "Another feature has this code.")
    })
}

/// Adds a feature that comes with the service, or brings it up to date with what it comes with;
/// whether that changed anything.
pub(super) async fn bring(
    connection: &mut PgConnection,
    _: System,
    feature: &NewFeature<'_>,
) -> Result<bool> {
    let written = sqlx::query!(
        "insert into features (code, label, icon, tables, views, built_in, created_at)
           values ($1, $2, $3, $4, $5, true, $6)
         on conflict (code) do update set label = excluded.label, icon = excluded.icon,
           tables = excluded.tables, views = excluded.views,
           built_in = true, version = features.version + 1
         where (features.label, features.icon, features.tables, features.views, features.built_in)
           is distinct from (excluded.label, excluded.icon, excluded.tables, excluded.views, true)",
        feature.code,
        Json(feature.label) as _,
        feature.icon,
        feature.tables,
        feature.views,
        feature.now,
    )
    .execute(connection)
    .await?;
    Ok(written.rows_affected() > 0)
}

/// Writes the feature as it is to be.
pub(super) async fn update(
    connection: &mut PgConnection,
    _: System,
    feature: &Feature,
) -> Result<Feature> {
    let row = sqlx::query!(
        r#"update features set label = $2, icon = $3, tables = $4, views = $5, version = version + 1
         where code = $1
         returning code, label as "label: Json<Texts>", icon, tables, views, built_in, version,
           created_at"#,
        feature.code,
        Json(&feature.label) as _,
        feature.icon,
        &feature.tables,
        &feature.views,
    )
    .map(|row| feature_of!(row));
    Ok(row.fetch_one(connection).await?)
}

/// 409 that names them where mandates have instances of it; those of deleted mandates too, which
/// may be restored.
pub(super) async fn require_unused(
    connection: &mut PgConnection,
    _: System,
    code: &str,
) -> Result<()> {
    let rows = sqlx::query!(
        "select id, label, mandate_id from feature_instances where feature_code = $1
           order by label_sort, id limit $2",
        code,
        MAX_IN_USE
    )
    .fetch_all(connection)
    .await?;
    let used = rows.into_iter().map(|row| InUse {
        id: row.id.into(),
        label: row.label,
        mandate_id: row.mandate_id.into(),
    });
    let used: Vec<InUse> = used.collect();
    if used.is_empty() { Ok(()) } else { Err(in_use(&used)) }
}

/// Deletes a feature and its templates.
pub(super) async fn delete(connection: &mut PgConnection, _: System, code: &str) -> Result<()> {
    sqlx::query!("delete from roles where scope = 'feature-template' and feature_code = $1", code)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("delete from features where code = $1", code)
        .execute(connection)
        .await
        .on_constraint("feature_instances_feature_code_fkey", || in_use(&[]))?;
    Ok(())
}
