//! The list of features.

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::Feature;
use super::find::feature_of;
use crate::context::SignedIn;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;
use crate::kernel::translations::Texts;

/// The features, by code.
pub(super) async fn list(
    connection: &mut PgConnection,
    signed_in: SignedIn,
    paging: &Paging,
) -> Result<Rows<Feature>> {
    macro_rules! features {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                r#"select code, label as "label: Json<Texts>", icon, tables, views, built_in,
                     version, created_at
                   from features where code "#
                    + $compare
                    + " $1 order by code"
                    + $order
                    + " limit $2",
                paging.bound_text(),
                paging.fetch(),
            )
            .map(|row| feature_of!(row))
            .fetch_all(&mut *connection)
        };
    }
    let rows =
        if paging.descending { features!("<", " desc").await? } else { features!(">", "").await? };
    let total = if paging.count { Some(count(connection, signed_in).await?) } else { None };
    Ok(paging.cut(rows, total, |feature: Feature| {
        let position = Position::new(feature.code.clone(), Uuid::nil());
        (feature, position)
    }))
}

async fn count(connection: &mut PgConnection, _: SignedIn) -> Result<i64> {
    let total = sqlx::query_scalar!(r#"select count(*) as "total!" from features"#)
        .fetch_one(connection)
        .await?;
    Ok(total)
}
