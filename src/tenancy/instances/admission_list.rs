//! The list of an instance's admissions.

use sqlx::PgConnection;

use super::FeatureAccess;
use crate::access::Level;
use crate::access::tables::{Access, Read};
use crate::context::Grant;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

/// What is told of an admission `a` of the member `m`.
const COLUMNS: &str = "a.user_id, m.username, a.instance_id, a.enabled, a.version,
    array(select r.role_id from access_roles r
          where r.mandate_id = a.mandate_id and r.instance_id = a.instance_id
            and r.user_id = a.user_id
          order by 1) as role_ids";

/// All admissions `a` to the instance `$2` of the mandate `$1`, those of group peers of `$3`, or
/// the one of `$3`.
fn reach(level: Level) -> &'static str {
    match level {
        Level::All => "a.mandate_id = $1 and a.instance_id = $2",
        Level::Group => {
            "a.mandate_id = $1 and a.instance_id = $2
             and (a.user_id = $3 or a.user_id in (select p.user_id from group_peers($1, $3) p))"
        }
        Level::My => "a.mandate_id = $1 and a.instance_id = $2 and a.user_id = $3",
        Level::None => "false",
    }
}

/// The admissions that the grant reaches, by username.
pub(super) async fn list_accesses(
    connection: &mut PgConnection,
    grant: &Grant<Access, Read>,
    paging: &Paging,
) -> Result<Rows<FeatureAccess>> {
    let listing = Listing {
        columns: COLUMNS,
        from: "feature_accesses a",
        beside: "join memberships m on m.mandate_id = a.mandate_id and m.user_id = a.user_id",
        reach: reach(grant.level()),
        filter: "true",
        order: Order::by(Key::Text("m.username_key"), "m.user_id"),
    };
    let values =
        Values::of(grant.mandate_uuid()).and(grant.instance_uuid()).and(grant.caller_uuid());
    listing.read(connection, paging, values).await
}
