//! The list of mandates, for SysAdmins.

use sqlx::PgConnection;

use super::Mandate;
use crate::context::System;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

/// What the list of mandates is narrowed to.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub enabled: Option<bool>,
    pub deleted: bool,
    pub text: Option<String>,
    pub code_key: Option<String>,
    pub has_admin: Option<bool>,
}

/// What is told of a mandate `d`.
const COLUMNS: &str = "d.id, d.name, d.code, d.language, d.enabled,
    has_effective_admin(d.id) as has_admin, d.allow_impersonation, d.version, d.created_at,
    d.updated_at, d.deleted_at, d.purge_at";

const FILTER: &str = "(d.deleted_at is not null) = $1
    and ($2::bool is null or d.enabled = $2)
    and ($3::text is null or strpos(d.name_key, $3) > 0 or strpos(d.code_key, $3) > 0)
    and ($4::text is null or d.code_key = $4)
    and ($5::bool is null or has_effective_admin(d.id) = $5)";

pub(super) async fn list(
    connection: &mut PgConnection,
    _: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Mandate>> {
    let key = match paging.sort.as_str() {
        "name" => Key::Text("d.name_sort"),
        "code" => Key::Text("d.code_key"),
        _ => Key::Time("d.created_at"),
    };
    let listing = Listing {
        columns: COLUMNS,
        from: "mandates d",
        beside: "",
        reach: "true",
        filter: FILTER,
        order: Order::by(key, "d.id"),
    };
    let values = Values::of(filter.deleted)
        .and(filter.enabled)
        .and(filter.text.as_deref())
        .and(filter.code_key.as_deref())
        .and(filter.has_admin);
    listing.read(connection, paging, values).await
}
