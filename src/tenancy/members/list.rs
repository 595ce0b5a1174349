//! The list of a mandate's members.

use sqlx::PgConnection;
use uuid::Uuid;

use super::Member;
use crate::access::Level;
use crate::access::tables::{Members, Read};
use crate::context::Grant;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
use crate::kernel::error::Result;

/// What the list of members is narrowed to.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub role: Option<Uuid>,
    pub group: Option<Uuid>,
    pub enabled: Option<bool>,
    pub text: Option<String>,
}

/// What is told of a membership `m`: of the account, what was copied beside it.
const COLUMNS: &str = "m.id as user_mandate_id, m.user_id, m.username,
    case when m.first_used_at is not null then m.email end as email,
    case when m.first_used_at is not null then m.first_name end as first_name,
    case when m.first_used_at is not null then m.last_name end as last_name,
    array(select r.role_id from member_roles r
          where r.mandate_id = $1 and r.user_id = m.user_id
          order by 1) as role_ids,
    array(select g.group_id from group_members g
          where g.mandate_id = $1 and g.user_id = m.user_id
          order by 1) as group_ids,
    m.enabled, m.version, m.created_at";

const FILTER: &str = "($3::uuid is null
         or exists (select 1 from member_roles r
                    where r.mandate_id = $1 and r.user_id = m.user_id and r.role_id = $3))
    and ($4::uuid is null
         or exists (select 1 from group_members g
                    where g.mandate_id = $1 and g.user_id = m.user_id and g.group_id = $4))
    and ($5::bool is null or m.enabled = $5)
    and ($6::text is null
         or strpos(m.username_key, $6) > 0
         or (m.first_used_at is not null
             and (strpos(coalesce(m.email_key, ''), $6) > 0
                  or strpos(lower(coalesce(m.first_name, '') || ' ' || coalesce(m.last_name, '')),
                            $6) > 0)))";

impl Filter {
    /// Nothing is compared where nothing is asked for: a plan for any arguments takes each `is null
    /// or` for narrow, and then sorts a whole mandate of which it expects no second row.
    fn text(&self) -> &'static str {
        match self {
            Self { role: None, group: None, enabled: None, text: None } => "true",
            _ => FILTER,
        }
    }
}

/// All memberships `m` of the mandate `$1`, those of group peers of `$2`, or the one of `$2`.
fn reach(level: Level) -> &'static str {
    match level {
        Level::All => "m.mandate_id = $1",
        Level::Group => {
            "m.mandate_id = $1
             and (m.user_id = $2 or m.user_id in (select p.user_id from group_peers($1, $2) p))"
        }
        Level::My => "m.mandate_id = $1 and m.user_id = $2",
        Level::None => "false",
    }
}

/// The members that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Member>> {
    let listing = Listing {
        columns: COLUMNS,
        from: "memberships m",
        beside: "",
        reach: reach(grant.level()),
        filter: filter.text(),
        order: match paging.sort.as_str() {
            "username" => Order::by(Key::Text("m.username_key"), "m.user_id"),
            _ => Order::by(Key::Time("m.created_at"), "m.id"),
        },
    };
    let values = Values::of(grant.mandate_uuid())
        .and(grant.caller_uuid())
        .and(filter.role)
        .and(filter.group)
        .and(filter.enabled)
        .and(filter.text.as_deref());
    listing.read(connection, paging, values).await
}
