//! The instances of a mandate that somebody is admitted to.

use sqlx::PgExecutor;

use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// An instance that is open to somebody.
#[derive(Debug, Clone)]
pub struct OpenInstance {
    pub id: InstanceId,
    pub label: String,
    pub feature_code: String,
    /// The tables of its feature.
    pub tables: Vec<String>,
    /// The views of its feature.
    pub views: Vec<String>,
}

/// The enabled instances of a mandate to which a user is admitted, by label; whoever calls knows
/// that the membership is alive.
pub async fn open_instances(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
) -> Result<Vec<OpenInstance>> {
    let rows = sqlx::query_as!(
        OpenInstance,
        "select i.id, i.label, i.feature_code, f.tables, f.views
         from feature_accesses a
         join feature_instances i on i.mandate_id = a.mandate_id and i.id = a.instance_id
           and i.enabled
         join features f on f.code = i.feature_code
         where a.user_id = $1 and a.mandate_id = $2 and a.enabled
         order by i.label_key, i.id",
        user.uuid(),
        mandate.uuid(),
    );
    Ok(rows.fetch_all(executor).await?)
}

/// The instances of a mandate to which a user is admitted, whatever is disabled, by label.
pub async fn admitted_instances(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
) -> Result<Vec<OpenInstance>> {
    let rows = sqlx::query_as!(
        OpenInstance,
        "select i.id, i.label, i.feature_code, f.tables, f.views
         from feature_accesses a
         join feature_instances i on i.mandate_id = a.mandate_id and i.id = a.instance_id
         join features f on f.code = i.feature_code
         where a.user_id = $1 and a.mandate_id = $2
         order by i.label_key, i.id",
        user.uuid(),
        mandate.uuid(),
    );
    Ok(rows.fetch_all(executor).await?)
}
