//! The list of a mandate's members.

use sqlx::PgConnection;
use uuid::Uuid;

use super::Member;
use super::find::member_of;
use crate::access::tables::{Members, Read};
use crate::context::Grant;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::{GroupId, RoleId};

/// What the list of members is narrowed to.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub role: Option<Uuid>,
    pub group: Option<Uuid>,
    pub enabled: Option<bool>,
    pub text: Option<String>,
}

/// The members that the grant reaches.
pub(super) async fn list(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<Member>> {
    let rows = page(connection, grant, filter, paging).await?;
    let total = if paging.count { Some(count(connection, grant, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |(member, key)| {
        let position = if by_name(paging) {
            Position::new(key, member.user_id.uuid())
        } else {
            Position::new(member.created_at, member.user_mandate_id.uuid())
        };
        (member, position)
    }))
}

fn by_name(paging: &Paging) -> bool {
    paging.sort == "username"
}

async fn page(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    filter: &Filter,
    paging: &Paging,
) -> Result<Vec<(Member, String)>> {
    macro_rules! members {
        ($key:tt, $id:tt, $after:tt, $order:tt, $bound:expr) => {
            sqlx::query!(
                r#"select m.id, m.user_id, u.username, u.username_key,
                          case when m.first_used_at is not null then u.email end as email,
                          case when m.first_used_at is not null then u.first_name end as first_name,
                          case when m.first_used_at is not null then u.last_name end as last_name,
                          array(select r.role_id from member_roles r
                                where r.mandate_id = $1 and r.user_id = m.user_id
                                order by 1) as "role_ids!: Vec<RoleId>",
                          array(select g.group_id from group_members g
                                where g.mandate_id = $1 and g.user_id = m.user_id
                                order by 1) as "group_ids!: Vec<GroupId>",
                          m.enabled, m.version, m.created_at
                   from memberships m join users u on u.id = m.user_id where m.mandate_id = $1
                     and ($2 = 3 or m.user_id = $3
                          or ($2 = 2
                              and m.user_id in (select p.user_id from group_peers($1, $3) p)))
                     and ($4::uuid is null or exists (select 1 from member_roles r
                         where r.mandate_id = $1 and r.user_id = m.user_id and r.role_id = $4))
                     and ($5::uuid is null or exists (select 1 from group_members g
                         where g.mandate_id = $1 and g.user_id = m.user_id and g.group_id = $5))
                     and ($6::bool is null or m.enabled = $6)
                     and ($7::text is null or strpos(u.username_key, $7) > 0
                          or (m.first_used_at is not null
                              and (strpos(coalesce(u.email_key, ''), $7) > 0
                              or strpos(lower(coalesce(u.first_name, '') || ' '
                                              || coalesce(u.last_name, '')), $7) > 0)))
                     and ("# + $key + ", " + $id + ") " + $after + " ($8, $9)
                   order by " + $key + $order + ", " + $id + $order + " limit $10",
                grant.mandate_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                filter.role,
                filter.group,
                filter.enabled,
                filter.text.as_deref(),
                $bound,
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| (member_of!(row), row.username_key))
            .fetch_all(&mut *connection)
            .await?
        };
    }
    let (text, time) = (paging.bound_text(), paging.bound_time());
    Ok(match (by_name(paging), paging.descending) {
        (true, false) => members!("u.username_key", "m.user_id", ">", "", text),
        (true, true) => members!("u.username_key", "m.user_id", "<", " desc", text),
        (false, false) => members!("m.created_at", "m.id", ">", "", time),
        (false, true) => members!("m.created_at", "m.id", "<", " desc", time),
    })
}

async fn count(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    filter: &Filter,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!"
           from memberships m join users u on u.id = m.user_id
           where m.mandate_id = $1
             and ($2 = 3 or m.user_id = $3
                  or ($2 = 2
                      and m.user_id in (select p.user_id from group_peers($1, $3) p)))
             and ($4::uuid is null or exists (select 1 from member_roles r where r.mandate_id = $1
                 and r.user_id = m.user_id and r.role_id = $4))
             and ($5::uuid is null or exists (select 1 from group_members g where g.mandate_id = $1
                 and g.user_id = m.user_id and g.group_id = $5))
             and ($6::bool is null or m.enabled = $6)
             and ($7::text is null or strpos(u.username_key, $7) > 0
                  or (m.first_used_at is not null
                      and (strpos(coalesce(u.email_key, ''), $7) > 0
                           or strpos(lower(coalesce(u.first_name, '') || ' '
                                           || coalesce(u.last_name, '')), $7) > 0)))"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        filter.role,
        filter.group,
        filter.enabled,
        filter.text.as_deref(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
