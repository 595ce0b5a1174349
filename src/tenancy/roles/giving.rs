//! The roles that are to be given or taken.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::access::tables::{Access, Members, Op, Table};
use crate::access::{Permissions, Rules, Views};
use crate::context::Grant;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{RoleId, uuids};

/// The tables by which roles are given: memberships give the mandate's, admissions an instance's.
pub trait Giving: Table {}
impl Giving for Members {}
impl Giving for Access {}

/// A role that is to be given or taken, with what has to be known of it for that.
#[derive(Debug, Clone)]
pub struct NamedRole {
    pub id: RoleId,
    pub label: String,
    pub protected: bool,
    pub permissions: Permissions,
}

/// The roles of these ids, for whoever gives them; those that are not the mandate's (or the
/// instance's) are missing from the answer.
pub async fn named<T: Giving, O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<T, O>,
    roles: &[RoleId],
) -> Result<Vec<NamedRole>> {
    let rows = sqlx::query!(
        r#"select id, label, protected,
                  role_tables(id) as "tables!: Json<Rules>",
                  role_view_flags(id) as "views!: Json<Views>"
           from roles
           where mandate_id = $1
             and (instance_id = $2 or ($2::uuid is null and instance_id is null))
             and id = any($3)
           order by label_key"#,
        grant.mandate_uuid(),
        grant.instance_uuid(),
        &uuids(roles),
    )
    .fetch_all(connection)
    .await?;
    let named = rows.into_iter().map(|row| NamedRole {
        id: row.id.into(),
        label: row.label,
        protected: row.protected,
        permissions: Permissions { tables: row.tables.0, views: row.views.0 },
    });
    Ok(named.collect())
}

/// The same; 404 where one is not a role of the mandate, or of the instance.
pub async fn require_known<T: Giving, O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<T, O>,
    roles: &[RoleId],
) -> Result<Vec<NamedRole>> {
    let found = named(connection, grant, roles).await?;
    if found.len() < roles.len() { Err(Error::not_found()) } else { Ok(found) }
}

/// The mandate's roles that are called so, by what labels are compared by, for whoever gives them.
pub async fn labelled<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Members, O>,
    label_keys: &[String],
) -> Result<HashMap<String, RoleId>> {
    let rows = sqlx::query!(
        "select id, label_key from roles
         where mandate_id = $1 and instance_id is null and label_key = any($2)",
        grant.mandate_uuid(),
        label_keys,
    );
    let found = rows.fetch_all(connection).await?;
    Ok(found.into_iter().map(|row| (row.label_key, row.id.into())).collect())
}
