//! The list of a mandate's roles, or of an instance's.

use sqlx::PgConnection;

use super::columns::{COLUMNS, ORDER, RoleTable};
use super::role::Role;
use crate::access::Level;
use crate::access::tables::Read;
use crate::context::Grant;
use crate::kernel::db::listing::{Listing, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

/// All roles `r` of the mandate `$1` that are the filter's, those that group peers of `$3` hold, or
/// those that `$3` holds.
fn reach(level: Level) -> &'static str {
    match level {
        Level::All => "r.mandate_id = $1",
        Level::Group => {
            "r.mandate_id = $1
             and (r.id in (select h.role_id from member_roles h
                           where h.mandate_id = $1
                             and (h.user_id = $3
                                  or h.user_id in (select p.user_id from group_peers($1, $3) p)))
                  or r.id in (select h.role_id from access_roles h
                              where h.mandate_id = $1
                                and (h.user_id = $3
                                     or h.user_id in (select p.user_id
                                                      from group_peers($1, $3) p))))"
        }
        Level::My => {
            "r.mandate_id = $1
             and (r.id in (select h.role_id from member_roles h
                           where h.mandate_id = $1 and h.user_id = $3)
                  or r.id in (select h.role_id from access_roles h
                              where h.mandate_id = $1 and h.user_id = $3))"
        }
        Level::None => "false",
    }
}

/// Mandate roles, or an instance's, that the level reaches.
pub async fn list<T: RoleTable>(
    connection: &mut PgConnection,
    grant: &Grant<T, Read>,
    paging: &Paging,
) -> Result<Rows<Role>> {
    let listing = Listing {
        columns: COLUMNS,
        from: "roles r",
        beside: "",
        reach: reach(grant.level()),
        filter: "(r.instance_id = $2 or ($2::uuid is null and r.instance_id is null))",
        order: ORDER,
    };
    let values =
        Values::of(grant.mandate_uuid()).and(grant.instance_uuid()).and(grant.caller_uuid());
    listing.read(connection, paging, values).await
}
