//! Making, changing and deleting template roles. No copy changes with them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::columns::{role_of, roles};
use super::permission_store;
use super::role::{Role, label_taken};
use crate::access::Permissions;
use crate::context::System;
use crate::kernel::error::{OnConstraint, Result};
use crate::kernel::ids::RoleId;
use crate::kernel::missing::Thing;
use crate::kernel::names::Name;
use crate::kernel::translations::Texts;

/// Makes a template: of a feature, or, without one, of mandates.
pub async fn insert(
    connection: &mut PgConnection,
    _: System,
    feature: Option<&str>,
    label: &Name,
    description: &Texts,
    now: DateTime<Utc>,
) -> Result<Role> {
    let row = roles!(
        "insert into roles as r (id, scope, feature_code, label, label_key, description, created_at)
         values ($1, case when $2::text is null then 'mandate-template' else 'feature-template' end,
           $2, $3, $4, $5, $6)
         returning",
        [""],
        RoleId::new().uuid(),
        feature,
        label.as_str(),
        label.key(),
        Json(description) as _,
        now,
    )
    .map(|row| role_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_template_label_key", label_taken)
        .on_constraint("roles_feature_template_label_key", label_taken)
        .on_constraint("roles_feature_code_fkey", || Thing::Feature.missing("/featureCode"))
}

/// Changes a template's label and description, where given. No copy changes.
pub async fn update(
    connection: &mut PgConnection,
    _: System,
    role: RoleId,
    label: Option<&Name>,
    description: Option<&Texts>,
) -> Result<Role> {
    let row = roles!(
        "update roles r set label = coalesce($2, label), label_key = coalesce($3, label_key),
           description = coalesce($4, description), version = version + 1
         where id = $1 and mandate_id is null and not protected
         returning",
        [""],
        role.uuid(),
        label.map(Name::as_str),
        label.map(Name::key),
        description.map(Json) as _,
    )
    .map(|row| role_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_template_label_key", label_taken)
        .on_constraint("roles_feature_template_label_key", label_taken)
}

/// Replaces what a template permits. No copy changes.
pub async fn replace_permissions(
    connection: &mut PgConnection,
    system: System,
    role: &Role,
    permissions: &Permissions,
) -> Result<()> {
    permission_store::write_permissions(connection, system.into(), None, role, permissions).await?;
    sqlx::query!(
        "update roles set version = version + 1
         where id = $1 and mandate_id is null and not protected",
        role.id.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a template. Its copies stay, and stay known as copies.
pub async fn delete(connection: &mut PgConnection, _: System, role: RoleId) -> Result<()> {
    sqlx::query!(
        "delete from roles where id = $1 and mandate_id is null and not protected",
        role.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
