//! The list of template roles.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::columns::{role_of, roles};
use super::role::Role;
use crate::context::System;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;

/// The templates, or those of a feature.
pub async fn list(
    connection: &mut PgConnection,
    system: System,
    feature: Option<&str>,
    paging: &Paging,
) -> Result<Rows<Role>> {
    macro_rules! templates {
        ($compare:tt, $order:tt) => {
            roles!(
                "select",
                [", r.label_sort
                 from roles r
                 where r.mandate_id is null and ($1::text is null or r.feature_code = $1)
                   and (r.label_sort, r.id) "
                    + $compare
                    + " ($2, $3)
                 order by "
                    + $order
                    + " limit $4"],
                feature,
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (role_of!(row), row.label_sort))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        templates!("<", "r.label_sort desc, r.id desc").await?
    } else {
        templates!(">", "r.label_sort, r.id").await?
    };
    let total = if paging.count { Some(count(connection, system, feature).await?) } else { None };
    Ok(paging.cut(rows, total, |(role, key): (Role, String)| {
        let position = Position::new(key, role.id.uuid());
        (role, position)
    }))
}

async fn count(connection: &mut PgConnection, _: System, feature: Option<&str>) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from roles where mandate_id is null
             and ($1::text is null or feature_code = $1)"#,
        feature
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
