//! The list of template roles.

use sqlx::PgConnection;

use super::columns::{COLUMNS, ORDER};
use super::role::Role;
use crate::context::System;
use crate::kernel::db::listing::{Listing, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

/// The templates, or those of a feature.
pub async fn list(
    connection: &mut PgConnection,
    _: System,
    feature: Option<&str>,
    paging: &Paging,
) -> Result<Rows<Role>> {
    let listing = Listing {
        columns: COLUMNS,
        from: "roles r",
        beside: "",
        reach: "r.mandate_id is null",
        filter: "($1::text is null or r.feature_code = $1)",
        order: ORDER,
    };
    listing.read(connection, paging, Values::of(feature)).await
}
