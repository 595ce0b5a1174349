//! Instances, listed by label: of a mandate as far as a member's level reaches, and of every
//! mandate for SysAdmins.

use sqlx::PgConnection;

use super::FeatureInstance;
use crate::access::Level;
use crate::access::tables::{Instances, Read};
use crate::context::{Grant, System};
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// What is told of an instance `i`.
const COLUMNS: &str =
    "i.id, i.feature_code, i.mandate_id, i.label, i.enabled, i.version, i.created_at";
const ORDER: Order = Order::by(Key::Text("i.label_sort"), "i.id");

/// To what a list is narrowed.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub feature: Option<&'a str>,
    /// To whom they are open.
    pub user: Option<UserId>,
}

/// All instances `i` of the mandate `$1`, those open to group peers of `$2`, or those open to `$2`.
fn reach(level: Level) -> &'static str {
    match level {
        Level::All => "i.mandate_id = $1",
        Level::Group => {
            "i.mandate_id = $1
             and i.id in (select a.instance_id from feature_accesses a
                          where a.mandate_id = $1 and a.enabled
                            and (a.user_id = $2
                                 or a.user_id in (select p.user_id from group_peers($1, $2) p)))"
        }
        Level::My => {
            "i.mandate_id = $1
             and i.id in (select a.instance_id from feature_accesses a
                          where a.mandate_id = $1 and a.enabled and a.user_id = $2)"
        }
        Level::None => "false",
    }
}

/// The instances that the grant reaches.
pub(super) async fn in_mandate(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Read>,
    filter: &Filter<'_>,
    paging: &Paging,
) -> Result<Rows<FeatureInstance>> {
    let listing = Listing {
        columns: COLUMNS,
        from: "feature_instances i",
        beside: "",
        reach: reach(grant.level()),
        filter: "($3::text is null or i.feature_code = $3)
             and ($4::uuid is null
                  or i.id in (select u.instance_id from feature_accesses u
                              where u.mandate_id = $1 and u.user_id = $4 and u.enabled))",
        order: ORDER,
    };
    let values = Values::of(grant.mandate_uuid())
        .and(grant.caller_uuid())
        .and(filter.feature)
        .and(filter.user);
    listing.read(connection, paging, values).await
}

/// Those of the mandates that are not deleted, or of one of them.
pub(super) async fn everywhere(
    connection: &mut PgConnection,
    _: System,
    mandate: Option<MandateId>,
    filter: &Filter<'_>,
    paging: &Paging,
) -> Result<Rows<FeatureInstance>> {
    let listing = Listing {
        columns: COLUMNS,
        from: "feature_instances i join mandates d on d.id = i.mandate_id",
        beside: "",
        reach: "d.deleted_at is null",
        filter: "($1::uuid is null or i.mandate_id = $1)
             and ($2::text is null or i.feature_code = $2)
             and ($3::uuid is null
                  or i.id in (select u.instance_id from feature_accesses u
                              where u.user_id = $3 and u.enabled))",
        order: ORDER,
    };
    let values = Values::of(mandate).and(filter.feature).and(filter.user);
    listing.read(connection, paging, values).await
}
