//! Finding one feature.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::Feature;
use crate::context::{SignedIn, System};
use crate::kernel::error::Result;
use crate::kernel::translations::Texts;

/// The feature in a row of the catalogue: its texts are kept as JSON.
macro_rules! feature_of {
    ($row:expr) => {
        Feature {
            code: $row.code,
            label: $row.label.0,
            icon: $row.icon,
            tables: $row.tables,
            views: $row.views,
            built_in: $row.built_in,
            version: $row.version,
            created_at: $row.created_at,
        }
    };
}
pub(super) use feature_of;

/// A feature by its code.
pub async fn find(
    connection: &mut PgConnection,
    _: SignedIn,
    code: &str,
) -> Result<Option<Feature>> {
    let row = sqlx::query!(
        r#"select code, label as "label: Json<Texts>", icon, tables, views, built_in, version,
           created_at from features where code = $1"#,
        code
    )
    .map(|row| feature_of!(row));
    Ok(row.fetch_optional(connection).await?)
}

/// The same, locked until the transaction ends.
pub(super) async fn find_for_change(
    connection: &mut PgConnection,
    _: System,
    code: &str,
) -> Result<Option<Feature>> {
    let row = sqlx::query!(
        r#"select code, label as "label: Json<Texts>", icon, tables, views, built_in, version,
           created_at from features where code = $1 for update"#,
        code
    )
    .map(|row| feature_of!(row));
    Ok(row.fetch_optional(connection).await?)
}
