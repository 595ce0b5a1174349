//! One instance, as somebody finds it.

use std::sync::Arc;

use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::access::{Catalogue, HeldRole, Level};
use crate::context::merged_access::InstanceAccess;
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// An instance as a caller finds it: what it is, and how near the caller is to it.
#[derive(Debug, Clone)]
pub struct FoundInstance {
    pub feature_code: String,
    pub catalogue: Catalogue,
    /// The least level of the table `instances` that reaches it.
    pub needed: Level,
    /// The caller's own access, where it is alive.
    pub access: Option<Arc<InstanceAccess>>,
}

pub async fn instance(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
    instance: InstanceId,
) -> Result<Option<FoundInstance>> {
    let row = sqlx::query!(
        r#"select i.feature_code, f.tables, f.views,
                  (i.enabled and a.user_id is not null) as "alive!",
                  case when a.user_id is not null then 1::smallint
                       when exists (select 1 from feature_accesses o
                                    where o.mandate_id = i.mandate_id and o.instance_id = i.id
                                      and o.enabled
                                      and o.user_id in (select p.user_id
                                          from group_peers($2, $1) p)) then 2::smallint
                       else 3::smallint end as "needed!",
                  (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                            'tables', role_tables(r.id), 'views', role_view_flags(r.id))
                              order by r.label_key), '[]')
                   from access_roles ar
                   join roles r on r.mandate_id = ar.mandate_id and r.instance_id = ar.instance_id
                     and r.id = ar.role_id
                   where ar.mandate_id = a.mandate_id and ar.instance_id = a.instance_id
                     and ar.user_id = a.user_id)
                    as "roles!: Json<Vec<HeldRole>>"
           from feature_instances i
           join features f on f.code = i.feature_code
           left join feature_accesses a
             on a.mandate_id = i.mandate_id and a.instance_id = i.id and a.user_id = $1
               and a.enabled
           where i.mandate_id = $2 and i.id = $3"#,
        user.uuid(),
        mandate.uuid(),
        instance.uuid(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| {
        let catalogue = Catalogue::instance(row.tables, row.views);
        let access = row.alive.then(|| {
            let roles = row.roles.0;
            Arc::new(InstanceAccess::of(instance, row.feature_code.clone(), roles, &catalogue))
        });
        FoundInstance {
            feature_code: row.feature_code,
            catalogue,
            needed: Level::from_number(row.needed),
            access,
        }
    }))
}
