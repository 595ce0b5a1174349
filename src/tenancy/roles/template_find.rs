//! Template roles: nobody holds them, mandates and instances get copies. Runs as the system: they
//! belong to no mandate.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::columns::{role_of, roles};
use super::role::Template;
use crate::access::{Catalogue, Permissions, Rules, Views};
use crate::context::{SignedIn, System};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::RoleId;

/// The template in a row of [`roles!`] that also has what it permits.
macro_rules! template_of {
    ($row:expr) => {
        Template {
            permissions: Permissions { tables: $row.tables.0, views: $row.views.0 },
            role: role_of!($row),
        }
    };
}

/// The templates of a feature, or, without one, of mandates. Runs as the system: templates belong
/// to no mandate.
pub async fn templates(
    connection: &mut PgConnection,
    _: SignedIn,
    feature: Option<&str>,
) -> Result<Vec<Template>> {
    let rows = roles!(
        "select",
        [r#", role_tables(r.id) as "tables!: Json<Rules>",
              role_view_flags(r.id) as "views!: Json<Views>"
           from roles r
           where (r.scope = 'mandate-template' and $1::text is null)
              or (r.scope = 'feature-template' and r.feature_code = $1)
           order by r.label_key"#],
        feature
    );
    Ok(rows.map(|row| template_of!(row)).fetch_all(connection).await?)
}

/// A template by its id.
pub async fn template(
    connection: &mut PgConnection,
    _: System,
    role: RoleId,
) -> Result<Option<Template>> {
    let row = roles!(
        "select",
        [r#", role_tables(r.id) as "tables!: Json<Rules>",
              role_view_flags(r.id) as "views!: Json<Views>"
           from roles r where r.id = $1 and r.mandate_id is null"#],
        role.uuid()
    );
    Ok(row.map(|row| template_of!(row)).fetch_optional(connection).await?)
}

/// The same, locked until the transaction ends: what a change begins with.
pub async fn template_for_change(
    connection: &mut PgConnection,
    system: System,
    role: RoleId,
) -> Result<Option<Template>> {
    sqlx::query!(
        "select id from roles where id = $1 and mandate_id is null for no key update",
        role.uuid()
    )
    .fetch_optional(&mut *connection)
    .await?;
    template(connection, system, role).await
}

/// The tables and views of a feature that permissions can speak of, for its template roles.
pub(super) async fn catalogue_of(
    connection: &mut PgConnection,
    _: System,
    feature: &str,
) -> Result<Option<Catalogue>> {
    let found = sqlx::query!("select tables, views from features where code = $1", feature)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|feature| Catalogue::instance(feature.tables, feature.views)))
}

pub(super) fn protected() -> Error {
    Error::new(Code::RoleProtected, "The role `admin` is not edited, renamed or deleted.")
}
