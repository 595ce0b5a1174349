//! The list of features.

use sqlx::PgConnection;

use super::Feature;
use crate::context::SignedIn;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

/// The features, by code.
pub(super) async fn list(
    connection: &mut PgConnection,
    _: SignedIn,
    paging: &Paging,
) -> Result<Rows<Feature>> {
    let listing = Listing {
        columns: "code, label, icon, tables, views, built_in, version, created_at",
        from: "features",
        beside: "",
        reach: "true",
        filter: "true",
        order: Order { key: Key::Text("code"), id: None },
    };
    listing.read(connection, paging, Values::none()).await
}
