//! What goes with an instance, as the trail keeps it: whoever has to put it back finds there who
//! may do what in it.

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::FeatureInstance;
use crate::access::tables::{Delete, Instances};
use crate::access::{Permissions, Rules, Views};
use crate::context::Opened;
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;
use crate::tenancy::roles;

/// The instance's roles with what they permit.
pub(super) async fn roles(
    connection: &mut PgConnection,
    instance: &Opened<Instances, Delete, FeatureInstance>,
) -> Result<Vec<Value>> {
    let rows = sqlx::query!(
        r#"select r.label, role_tables(r.id) as "tables!: Json<Rules>",
             role_view_flags(r.id) as "views!: Json<Views>"
           from roles r where r.mandate_id = $1 and r.instance_id = $2 order by r.label_key"#,
        instance.grant().mandate_uuid(),
        instance.grant().instance_uuid()
    )
    .fetch_all(connection)
    .await?;
    let told = rows.into_iter().map(|row| {
        let permissions = Permissions { tables: row.tables.0, views: row.views.0 };
        json!({ "label": row.label, "permissions": roles::described(&permissions) })
    });
    Ok(told.collect())
}

/// Somebody's admission that goes with the instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Admission {
    user_id: UserId,
    /// Labels.
    roles: Vec<String>,
    enabled: bool,
}

pub(super) async fn admissions(
    connection: &mut PgConnection,
    instance: &Opened<Instances, Delete, FeatureInstance>,
) -> Result<Vec<Admission>> {
    let admissions = sqlx::query_as!(
        Admission,
        r#"select a.user_id, a.enabled,
                  array(select r.label from access_roles h
                        join roles r on r.mandate_id = h.mandate_id
                          and r.instance_id = h.instance_id and r.id = h.role_id
                        where h.mandate_id = a.mandate_id and h.instance_id = a.instance_id
                          and h.user_id = a.user_id
                        order by r.label_key) as "roles!"
           from feature_accesses a
           where a.mandate_id = $1 and a.instance_id = $2 order by a.user_id"#,
        instance.grant().mandate_uuid(),
        instance.grant().instance_uuid()
    )
    .fetch_all(connection)
    .await?;
    Ok(admissions)
}
