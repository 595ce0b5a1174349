//! Template roles, and copying them with their permissions onto a new mandate or instance: in the
//! transaction that makes it, one statement however many there are. Each copy remembers its
//! template; changing a template later changes no copy.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::store::{role_of, roles};
use super::{FullRole, Role, Scope, Texts, described, label_taken, store};
use crate::access::{Catalogue, Permissions, Rules, Views};
use crate::context::{Furnished, SignedIn, System};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{InstanceId, RoleId};
use crate::kernel::missing::Thing;
use crate::kernel::names::{self, Name};

/// The template in a row of [`roles!`] that also has what it permits.
macro_rules! template_of {
    ($row:expr) => {
        Template {
            permissions: Permissions { tables: $row.tables.0, views: $row.views.0 },
            role: role_of!($row),
        }
    };
}

/// A template with what it permits.
pub type Template = FullRole;

impl Template {
    /// For the trail: what it takes to make it again.
    pub fn told(&self) -> Value {
        json!({
            "label": self.role.label, "description": self.role.description,
            "permissions": described(&self.permissions),
        })
    }
}

/// The templates of a feature, or, without one, of mandates. Runs as the system: templates belong
/// to no mandate.
pub async fn templates(
    connection: &mut PgConnection,
    _: SignedIn,
    feature: Option<&str>,
) -> Result<Vec<Template>> {
    let rows = roles!(
        "select",
        [r#", role_tables(r.id) as "tables!: Json<Rules>",
              role_view_flags(r.id) as "views!: Json<Views>"
           from roles r
           where (r.scope = 'mandate-template' and $1::text is null)
              or (r.scope = 'feature-template' and r.feature_code = $1)
           order by r.label_key"#],
        feature
    );
    Ok(rows.map(|row| template_of!(row)).fetch_all(connection).await?)
}

/// The templates, or those of a feature.
pub async fn list(
    connection: &mut PgConnection,
    system: System,
    feature: Option<&str>,
    paging: &Paging,
) -> Result<Rows<Role>> {
    macro_rules! templates {
        ($compare:tt, $order:tt) => {
            roles!(
                "select",
                [", r.label_sort
                 from roles r
                 where r.mandate_id is null and ($1::text is null or r.feature_code = $1)
                   and (r.label_sort, r.id) "
                    + $compare
                    + " ($2, $3)
                 order by "
                    + $order
                    + " limit $4"],
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
        templates!("<", "r.label_sort desc, r.id desc").await?
    } else {
        templates!(">", "r.label_sort, r.id").await?
    };
    let total = if paging.count { Some(count(connection, system, feature).await?) } else { None };
    Ok(paging.cut(rows, total, |(role, key): (Role, String)| {
        let position = Position::new(key, role.id.uuid());
        (role, position)
    }))
}

async fn count(connection: &mut PgConnection, _: System, feature: Option<&str>) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from roles where mandate_id is null
             and ($1::text is null or feature_code = $1)"#,
        feature
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// A template by its id.
pub async fn template(
    connection: &mut PgConnection,
    _: System,
    role: RoleId,
) -> Result<Option<Template>> {
    let row = roles!(
        "select",
        [r#", role_tables(r.id) as "tables!: Json<Rules>",
              role_view_flags(r.id) as "views!: Json<Views>"
           from roles r where r.id = $1 and r.mandate_id is null"#],
        role.uuid()
    );
    Ok(row.map(|row| template_of!(row)).fetch_optional(connection).await?)
}

/// The same, locked until the transaction ends: what a change begins with.
pub async fn template_for_change(
    connection: &mut PgConnection,
    system: System,
    role: RoleId,
) -> Result<Option<Template>> {
    sqlx::query!(
        "select id from roles where id = $1 and mandate_id is null for no key update",
        role.uuid()
    )
    .fetch_optional(&mut *connection)
    .await?;
    template(connection, system, role).await
}

/// The tables and views of a feature that permissions can speak of, for its template roles.
pub(super) async fn catalogue_of(
    connection: &mut PgConnection,
    _: System,
    feature: &str,
) -> Result<Option<Catalogue>> {
    let found = sqlx::query!("select tables, views from features where code = $1", feature)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|feature| Catalogue::instance(feature.tables, feature.views)))
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
           select * from jsonb_to_recordset($1) c (id uuid, template_id uuid, label text,
               label_key text, description jsonb, protected bool,
                                                   tables jsonb, views jsonb)),
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
         select c.id, $2, $3, v.key, v.value::text::bool from copies c cross
           join jsonb_each(c.views) v",
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
    store::repermit(connection, within.into(), within.mandate(), copy, permissions).await
}

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
    store::write_permissions(connection, system.into(), None, role, permissions).await?;
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

pub(super) fn protected() -> Error {
    Error::new(Code::RoleProtected, "The role `admin` is not edited, renamed or deleted.")
}
