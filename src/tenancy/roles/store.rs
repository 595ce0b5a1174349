//! Making, changing and deleting roles.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::columns::{RoleTable, role_of, roles};
use super::role::{FullRole, Role, label_taken};
use crate::access::tables::{Create, Delete, Update};
use crate::context::{Grant, Opened, SignedIn};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{MandateId, RoleId};
use crate::kernel::names::Name;
use crate::kernel::translations::Texts;

/// A role to be made, in a mandate or in one of its instances.
#[derive(Debug)]
pub struct NewRole<'a> {
    pub label: &'a Name,
    pub description: &'a Texts,
    /// The feature of the instance; none for a mandate role.
    pub feature_code: Option<&'a str>,
    pub now: DateTime<Utc>,
}

pub async fn insert<T: RoleTable>(
    connection: &mut PgConnection,
    grant: &Grant<T, Create>,
    role: &NewRole<'_>,
) -> Result<Role> {
    let row = roles!(
        "insert into roles as r (id, scope, mandate_id, instance_id, feature_code, label, label_key,
           description, created_at)
         values ($1, case when $3::uuid is null then 'mandate' else 'instance' end,
           $2, $3, $4, $5, $6, $7, $8)
         returning",
        [""],
        RoleId::new().uuid(),
        grant.mandate_uuid(),
        grant.instance_uuid(),
        role.feature_code,
        role.label.as_str(),
        role.label.key(),
        Json(role.description) as _,
        role.now,
    )
    .map(|row| role_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_label_key", label_taken)
        .on_constraint("roles_instance_label_key", label_taken)
}

/// Changes label and description, where given.
pub async fn update<T: RoleTable>(
    connection: &mut PgConnection,
    role: &Opened<T, Update, FullRole>,
    label: Option<&Name>,
    description: Option<&Texts>,
) -> Result<Role> {
    let grant = role.grant();
    rename(connection, grant.into(), (grant.mandate(), role.role.id), label, description).await
}

/// The same of a role that somebody else has reached.
pub(super) async fn rename(
    connection: &mut PgConnection,
    _: SignedIn,
    (mandate, role): (MandateId, RoleId),
    label: Option<&Name>,
    description: Option<&Texts>,
) -> Result<Role> {
    let row = roles!(
        "update roles r set label = coalesce($3, label), label_key = coalesce($4, label_key),
           description = coalesce($5, description), version = version + 1
         where mandate_id = $1 and id = $2 and not protected
         returning",
        [""],
        mandate.uuid(),
        role.uuid(),
        label.map(Name::as_str),
        label.map(Name::key),
        description.map(Json) as _,
    )
    .map(|row| role_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("roles_mandate_label_key", label_taken)
        .on_constraint("roles_instance_label_key", label_taken)
}

/// Deletes a role that nobody holds.
pub async fn delete<T: RoleTable>(
    connection: &mut PgConnection,
    role: &Opened<T, Delete, FullRole>,
) -> Result<()> {
    let (mandate, id) = (role.grant().mandate_uuid(), role.role.id.uuid());
    let held = sqlx::query_scalar!(
        r#"select (exists (select 1 from member_roles
                           where mandate_id = $1 and role_id = $2)
                   or exists (select 1 from access_roles
                              where mandate_id = $1 and role_id = $2)) as "held!""#,
        mandate,
        id
    )
    .fetch_one(&mut *connection)
    .await?;
    if held {
        return Err(Error::new(Code::RoleInUse, "Somebody holds this role."));
    }
    sqlx::query!(
        "delete from roles where mandate_id = $1 and id = $2 and not protected",
        mandate,
        id
    )
    .execute(connection)
    .await?;
    Ok(())
}
