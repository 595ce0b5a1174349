//! Where something belongs that is known by its id or its name only.

use sqlx::PgExecutor;

use crate::access::decision::Target;
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, RoleId};

/// Whether any feature has a table, or a view, of this name.
pub async fn is_of_a_feature(executor: impl PgExecutor<'_>, target: Target<'_>) -> Result<bool> {
    let (table, view) = match target {
        Target::Rows(table, _) => (Some(table), None),
        Target::View(view) => (None, Some(view)),
    };
    let known = sqlx::query_scalar!(
        r#"select exists (select 1 from features where ($1::text is not null and $1 = any (tables))
               or ($2::text is not null and $2 = any (views)))
           as "known!""#,
        table,
        view
    );
    Ok(known.fetch_one(executor).await?)
}

/// The mandate that an instance belongs to, for SysAdmins, whose path names only the instance.
pub async fn mandate_of_instance(
    executor: impl PgExecutor<'_>,
    instance: InstanceId,
) -> Result<Option<MandateId>> {
    let id = sqlx::query_scalar!(
        "select i.mandate_id from feature_instances i join mandates d on d.id = i.mandate_id
           where i.id = $1 and d.deleted_at is null",
        instance.uuid()
    )
    .fetch_optional(executor)
    .await?;
    Ok(id.map(MandateId::from))
}

/// Whether a mandate exists and is not deleted; disabled ones count, since SysAdmins enable them
/// again.
pub async fn mandate_exists(executor: impl PgExecutor<'_>, mandate: MandateId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select true as "found!" from mandates where id = $1 and deleted_at is null"#,
        mandate.uuid()
    );
    Ok(found.fetch_optional(executor).await?.is_some())
}

/// Where a role belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleHome {
    Template,
    Mandate,
    Instance(InstanceId),
}

/// Where the role is, as seen from a mandate: its own roles and the templates.
pub async fn role_home(
    executor: impl PgExecutor<'_>,
    role: RoleId,
    mandate: Option<MandateId>,
) -> Result<Option<RoleHome>> {
    let row = sqlx::query!(
        "select mandate_id, instance_id from roles
           where id = $1 and (mandate_id is null or mandate_id = $2)",
        role.uuid(),
        mandate.map(MandateId::uuid)
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| match (row.mandate_id, row.instance_id) {
        (None, _) => RoleHome::Template,
        (Some(_), None) => RoleHome::Mandate,
        (Some(_), Some(instance)) => RoleHome::Instance(instance.into()),
    }))
}
