//! All roles of a place.

use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::access::HeldRole;
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId};

/// The mandate's own roles, or those of one of its instances, by label.
pub async fn roles(
    executor: impl PgExecutor<'_>,
    mandate: MandateId,
    instance: Option<InstanceId>,
) -> Result<Vec<HeldRole>> {
    let rows = sqlx::query_scalar!(
        r#"select jsonb_build_object(
                    'id', r.id, 'label', r.label, 'protected', r.protected,
                    'tables', role_tables(r.id),
                    'views', role_view_flags(r.id)) as "role!: Json<HeldRole>"
           from (select o.id, o.label, o.label_key, o.protected from roles o
                 where o.mandate_id = $1 and o.scope = 'mandate' and $2::uuid is null
                 union all
                 select o.id, o.label, o.label_key, o.protected from roles o
                 where o.mandate_id = $1 and o.scope = 'instance' and o.instance_id = $2) r
           order by r.label_key"#,
        mandate.uuid(),
        instance.map(InstanceId::uuid),
    );
    Ok(rows.fetch_all(executor).await?.into_iter().map(|Json(role)| role).collect())
}
