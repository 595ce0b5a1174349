//! The list of a mandate's groups.

use sqlx::PgConnection;

use super::Group;
use crate::access::Level;
use crate::access::tables::{Groups, Read};
use crate::context::Grant;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

/// What is told of a group `g`.
const COLUMNS: &str = "g.id, g.name, g.description, g.auto_join, g.version, g.created_at,
    (select count(*) from group_members c
     where c.mandate_id = g.mandate_id and c.group_id = g.id) as member_count";

/// All groups `g` of the mandate `$1`, those of group peers of `$2`, or those that `$2` is in.
fn reach(level: Level) -> &'static str {
    match level {
        Level::All => "g.mandate_id = $1",
        Level::Group => {
            "g.mandate_id = $1
             and g.id in (select o.group_id from group_members o
                          where o.mandate_id = $1
                            and (o.user_id = $2
                                 or o.user_id in (select p.user_id from group_peers($1, $2) p)))"
        }
        Level::My => {
            "g.mandate_id = $1
             and g.id in (select o.group_id from group_members o
                          where o.mandate_id = $1 and o.user_id = $2)"
        }
        Level::None => "false",
    }
}

/// The groups that the grant reaches, by name.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Groups, Read>,
    text: Option<&str>,
    paging: &Paging,
) -> Result<Rows<Group>> {
    let listing = Listing {
        columns: COLUMNS,
        from: "groups g",
        beside: "",
        reach: reach(grant.level()),
        filter: "($3::text is null or strpos(g.name_key, $3) > 0)",
        order: Order::by(Key::Text("g.name_sort"), "g.id"),
    };
    let values = Values::of(grant.mandate_uuid()).and(grant.caller_uuid()).and(text);
    listing.read(connection, paging, values).await
}
