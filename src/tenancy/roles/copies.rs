//! Template roles, and copying them with their permissions onto a new mandate or instance: in the transaction that makes it,
//! one statement however many there are. Each copy remembers its template; changing a template later changes no copy.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::store::{RoleRow, role_of};
use super::{Role, Scope, Texts, described, label_taken, store};
use crate::access::{Catalogue, Permissions, Rules, Views};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{InstanceId, MandateId, RoleId};
use crate::kernel::missing::Thing;
use crate::kernel::names::{self, Name};

/// A template with what it permits.
#[derive(Debug, Clone)]
pub struct Template {
    pub role: Role,
    pub permissions: Permissions,
}

impl Template {
    /// For the trail: what it takes to make it again.
    pub fn told(&self) -> Value {
        json!({ "label": self.role.label, "description": self.role.description, "permissions": described(&self.permissions) })
    }
}

/// The templates of a feature, or, without one, of mandates. Runs as the system: templates belong to no mandate.
pub async fn templates(
    connection: &mut PgConnection,
    feature: Option<&str>,
) -> Result<Vec<Template>> {
    let rows = sqlx::query!(
        r#"select id, label, description, scope, mandate_id, feature_code, instance_id, template_role_id, protected, version,
                  role_tables(id) as "tables!: Json<Rules>",
                  role_view_flags(id) as "views!: Json<Views>"
           from roles
           where (scope = 'mandate-template' and $1::text is null) or (scope = 'feature-template' and feature_code = $1)
           order by label_key"#,
        feature
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Template {
            permissions: Permissions { tables: row.tables.0, views: row.views.0 },
            role: role_of!(row),
        })
        .collect())
}

/// The templates, or those of a feature.
pub async fn list(
    connection: &mut PgConnection,
    feature: Option<&str>,
    paging: &Paging,
) -> Result<Rows<Role>> {
    macro_rules! templates {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                "select id, label, label_sort, description, scope, mandate_id, feature_code, instance_id, template_role_id, protected, version
                 from roles
                 where mandate_id is null and ($1::text is null or feature_code = $1) and (label_sort, id) "
                    + $compare
                    + " ($2, $3) order by "
                    + $order
                    + " limit $4",
                feature,
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (role_of!(row), row.label_sort))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        templates!("<", "label_sort desc, id desc").await?
    } else {
        templates!(">", "label_sort, id").await?
    };
    let total = if paging.count { Some(count(connection, feature).await?) } else { None };
    Ok(paging.cut(rows, total, |(role, key): (Role, String)| {
        let position = Position::new(key, role.id.uuid());
        (role, position)
    }))
}

async fn count(connection: &mut PgConnection, feature: Option<&str>) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from roles where mandate_id is null and ($1::text is null or feature_code = $1)"#,
        feature
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// A template by its id, as the system.
pub async fn template(connection: &mut PgConnection, role: RoleId) -> Result<Option<Template>> {
    let row = sqlx::query!(
        r#"select id, label, description, scope, mandate_id, feature_code, instance_id, template_role_id, protected, version,
                  role_tables(id) as "tables!: Json<Rules>",
                  role_view_flags(id) as "views!: Json<Views>"
           from roles where id = $1 and mandate_id is null"#,
        role.uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Template {
        permissions: Permissions { tables: row.tables.0, views: row.views.0 },
        role: role_of!(row),
    }))
}

/// The same, locked until the transaction ends: what a change begins with.
pub async fn template_for_change(
    connection: &mut PgConnection,
    role: RoleId,
) -> Result<Option<Template>> {
    sqlx::query!(
        "select id from roles where id = $1 and mandate_id is null for no key update",
        role.uuid()
    )
    .fetch_optional(&mut *connection)
    .await?;
    template(connection, role).await
}

/// The tables and views of a feature that permissions can speak of, for its template roles.
pub(super) async fn catalogue_of(
    connection: &mut PgConnection,
    feature: &str,
) -> Result<Option<Catalogue>> {
    let found = sqlx::query!("select tables, views from features where code = $1", feature)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|feature| Catalogue::instance(feature.tables, feature.views)))
}

/// Where copies go.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub mandate: MandateId,
    /// The instance and its feature; none for a mandate's own roles.
    pub instance: Option<(InstanceId, &'a str)>,
    pub now: DateTime<Utc>,
}

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
    templates: &[Template],
    target: Target<'_>,
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
    let scope = if target.instance.is_some() { Scope::Instance } else { Scope::Mandate };
    sqlx::query!(
        "with copies as (
           select * from jsonb_to_recordset($1) c (id uuid, template_id uuid, label text, label_key text, description jsonb, protected bool,
                                                   tables jsonb, views jsonb)),
         made as (
           insert into roles (id, scope, mandate_id, instance_id, feature_code, template_role_id, label, label_key, description, protected, created_at)
           select id, $2, $3, $4, $5, template_id, label, label_key, description, protected, $6 from copies),
         permitted as (
           insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level, create_level, update_level, delete_level)
           select c.id, $2, $3, t.key, (t.value ->> 'view')::bool,
                  strpos('nmga', t.value ->> 'read') - 1, strpos('nmga', t.value ->> 'create') - 1,
                  strpos('nmga', t.value ->> 'update') - 1, strpos('nmga', t.value ->> 'delete') - 1
           from copies c cross join jsonb_each(c.tables) t)
         insert into role_views (role_id, scope, mandate_id, view_name, allowed)
         select c.id, $2, $3, v.key, v.value::text::bool from copies c cross join jsonb_each(c.views) v",
        Json(&rows) as _,
        scope.name(),
        target.mandate.uuid(),
        target.instance.map(|(instance, _)| instance.uuid()),
        target.instance.map(|(_, feature)| feature),
        target.now,
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

/// Makes a template: of a feature, or, without one, of mandates. As the system.
pub async fn insert(
    connection: &mut PgConnection,
    feature: Option<&str>,
    label: &Name,
    description: &Texts,
    now: DateTime<Utc>,
) -> Result<Role> {
    let row = sqlx::query_as!(
        RoleRow,
        "insert into roles (id, scope, feature_code, label, label_key, description, created_at)
         values ($1, case when $2::text is null then 'mandate-template' else 'feature-template' end, $2, $3, $4, $5, $6)
         returning id, label, description, scope, mandate_id, feature_code, instance_id, template_role_id, protected, version",
        RoleId::new().uuid(),
        feature,
        label.as_str(),
        label.key(),
        Json(description) as _,
        now,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_template_label_key", label_taken)
        .on_constraint("roles_feature_template_label_key", label_taken)
        .on_constraint("roles_feature_code_fkey", || Thing::Feature.missing("/featureCode"))
        .map(Role::from)
}

/// Changes a template's label and description, where given. No copy changes.
pub async fn update(
    connection: &mut PgConnection,
    role: RoleId,
    label: Option<&Name>,
    description: Option<&Texts>,
) -> Result<Role> {
    let row = sqlx::query_as!(
        RoleRow,
        "update roles set label = coalesce($2, label), label_key = coalesce($3, label_key), description = coalesce($4, description), version = version + 1
         where id = $1 and mandate_id is null and not protected
         returning id, label, description, scope, mandate_id, feature_code, instance_id, template_role_id, protected, version",
        role.uuid(),
        label.map(Name::as_str),
        label.map(Name::key),
        description.map(Json) as _,
    )
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_template_label_key", label_taken)
        .on_constraint("roles_feature_template_label_key", label_taken)
        .map(Role::from)
}

/// Replaces what a template permits. No copy changes.
pub async fn replace_permissions(
    connection: &mut PgConnection,
    role: &Role,
    permissions: &Permissions,
) -> Result<()> {
    store::write_permissions(connection, None, role.id, role.scope, permissions).await?;
    sqlx::query!("update roles set version = version + 1 where id = $1 and mandate_id is null and not protected", role.id.uuid())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes a template. Its copies stay, and stay known as copies.
pub async fn delete(connection: &mut PgConnection, role: RoleId) -> Result<()> {
    sqlx::query!(
        "delete from roles where id = $1 and mandate_id is null and not protected",
        role.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) fn protected() -> Error {
    Error::new(Code::RoleProtected, "The role `admin` is not edited, renamed or deleted.")
}
