//! Copying template roles with their permissions onto a new mandate or instance: in the
//! transaction that makes it, one statement however many there are. Each copy remembers its
//! template; changing a template later changes no copy.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::role::{Role, Scope, Template, label_taken};
use super::{permission_store, store};
use crate::access::{Permissions, Rules, Views};
use crate::context::Furnished;
use crate::kernel::error::{OnConstraint, Result};
use crate::kernel::ids::{InstanceId, RoleId};
use crate::kernel::names::{self, Name};
use crate::kernel::translations::Texts;

/// A copy that was made.
#[derive(Debug, Clone)]
pub struct Copy {
    pub id: RoleId,
    pub label: String,
    pub protected: bool,
}

#[derive(Serialize)]
struct CopyRow<'a> {
    id: Uuid,
    template_id: Uuid,
    label: &'a str,
    label_key: String,
    description: &'a Texts,
    protected: bool,
    tables: &'a Rules,
    views: &'a Views,
}

/// Copies templates, permissions included. Runs as the tenant of the target's mandate.
pub async fn copy(
    connection: &mut PgConnection,
    into: Furnished,
    templates: &[Template],
    now: DateTime<Utc>,
) -> Result<Vec<Copy>> {
    let rows: Vec<CopyRow<'_>> = templates
        .iter()
        .map(|template| CopyRow {
            id: RoleId::new().uuid(),
            template_id: template.role.id.uuid(),
            label: &template.role.label,
            label_key: names::key_of_stored(&template.role.label),
            description: &template.role.description,
            protected: template.role.protected,
            tables: &template.permissions.tables,
            views: &template.permissions.views,
        })
        .collect();
    let scope = if into.instance().is_some() { Scope::Instance } else { Scope::Mandate };
    let feature = templates.first().and_then(|template| template.role.feature_code.as_deref());
    sqlx::query!(
        "with copies as (
           select * from jsonb_to_recordset($1) c (
             id uuid, template_id uuid, label text, label_key text, description jsonb,
             protected bool, tables jsonb, views jsonb)),
         made as (
           insert into roles (id, scope, mandate_id, instance_id, feature_code, template_role_id,
                              label, label_key, description, protected, created_at)
           select id, $2, $3, $4, $5, template_id, label, label_key, description, protected, $6
           from copies),
         permitted as (
           insert into role_permissions (role_id, scope, mandate_id, table_name, can_view,
                                         read_level, create_level, update_level, delete_level)
           select c.id, $2, $3, t.key, (t.value ->> 'view')::bool,
                  strpos('nmga', t.value ->> 'read') - 1, strpos('nmga', t.value ->> 'create') - 1,
                  strpos('nmga', t.value ->> 'update') - 1, strpos('nmga', t.value ->> 'delete') - 1
           from copies c cross join jsonb_each(c.tables) t)
         insert into role_views (role_id, scope, mandate_id, view_name, allowed)
         select c.id, $2, $3, v.key, v.value::text::bool
         from copies c cross join jsonb_each(c.views) v",
        Json(&rows) as _,
        scope.name(),
        into.mandate().uuid(),
        into.instance().map(InstanceId::uuid),
        feature,
        now,
    )
    .execute(connection)
    .await
    .on_constraint("roles_instance_label_key", label_taken)?;
    Ok(rows
        .iter()
        .map(|row| Copy {
            id: row.id.into(),
            label: row.label.to_owned(),
            protected: row.protected,
        })
        .collect())
}

/// Renames and describes a copy as its template is, where these are given.
pub async fn rename(
    connection: &mut PgConnection,
    within: Furnished,
    copy: &Role,
    label: Option<&Name>,
    description: Option<&Texts>,
) -> Result<Role> {
    let place = (within.mandate(), copy.id);
    store::rename(connection, within.into(), place, label, description).await
}

/// Lets a copy permit what its template does.
pub async fn repermit(
    connection: &mut PgConnection,
    within: Furnished,
    copy: &Role,
    permissions: &Permissions,
) -> Result<()> {
    permission_store::repermit(connection, within.into(), within.mandate(), copy, permissions).await
}
