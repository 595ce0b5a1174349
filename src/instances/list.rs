//! The instances of every mandate, for SysAdmins.

use sqlx::PgConnection;

use super::FeatureInstance;
use crate::db::page::{Paging, Position, Rows};
use crate::error::Result;
use crate::ids::MandateId;

/// Those of the mandates that are not deleted, or of one of them; by label.
pub(super) async fn everywhere(
    connection: &mut PgConnection,
    mandate: Option<MandateId>,
    feature: Option<&str>,
    paging: &Paging,
) -> Result<Rows<FeatureInstance>> {
    macro_rules! instances {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                "select i.id, i.feature_code, i.mandate_id, i.label, i.label_sort, i.enabled, i.version, i.created_at
                 from feature_instances i join mandates d on d.id = i.mandate_id
                 where d.deleted_at is null and ($1::uuid is null or i.mandate_id = $1) and ($2::text is null or i.feature_code = $2)
                   and (i.label_sort, i.id) "
                    + $compare
                    + " ($3, $4)
                 order by "
                    + $order
                    + " limit $5",
                mandate.map(MandateId::uuid),
                feature,
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| {
                let instance = FeatureInstance {
                    id: row.id.into(),
                    feature_code: row.feature_code,
                    mandate_id: row.mandate_id.into(),
                    label: row.label,
                    enabled: row.enabled,
                    version: row.version,
                    created_at: row.created_at,
                };
                (instance, row.label_sort)
            })
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        instances!("<", "i.label_sort desc, i.id desc").await?
    } else {
        instances!(">", "i.label_sort, i.id").await?
    };
    let total = if paging.count { Some(count(connection, mandate, feature).await?) } else { None };
    Ok(paging.cut(rows, total, |(instance, key): (FeatureInstance, String)| {
        let position = Position::new(key, instance.id.uuid());
        (instance, position)
    }))
}

async fn count(connection: &mut PgConnection, mandate: Option<MandateId>, feature: Option<&str>) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from feature_instances i join mandates d on d.id = i.mandate_id
           where d.deleted_at is null and ($1::uuid is null or i.mandate_id = $1) and ($2::text is null or i.feature_code = $2)"#,
        mandate.map(MandateId::uuid),
        feature,
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
