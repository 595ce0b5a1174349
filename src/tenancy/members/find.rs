//! Finding one member of a mandate.

use sqlx::PgConnection;

use super::Member;
use crate::access::tables::{Members, Op, Read};
use crate::context::{Account, Grant, Sealed};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{GroupId, MandateId, RoleId, UserId};
use crate::tenancy::roles::Giving;

/// A member of the grant's mandate.
pub(super) async fn find<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Members, O>,
    user: UserId,
) -> Result<Option<Sealed<Members, Member>>> {
    let row = row(connection, grant, user).await?;
    Ok(row.map(|(member, needed)| grant.seal(needed, member)))
}

/// The same with the number of the least level that reaches them.
async fn row<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Members, O>,
    user: UserId,
) -> Result<Option<(Member, i16)>> {
    let row = sqlx::query!(
        r#"select m.id, m.user_id, m.username, m.username_key,
                  case when m.first_used_at is not null then m.email end as email,
                  case when m.first_used_at is not null then m.first_name end as first_name,
                  case when m.first_used_at is not null then m.last_name end as last_name,
                  array(select r.role_id from member_roles r
                        where r.mandate_id = m.mandate_id and r.user_id = m.user_id
                                order by 1) as "role_ids!: Vec<RoleId>",
                  array(select g.group_id from group_members g
                        where g.mandate_id = m.mandate_id and g.user_id = m.user_id
                                order by 1) as "group_ids!: Vec<GroupId>",
                  m.enabled, m.version, m.created_at,
                  case when m.user_id = $3 then 1::smallint
                       when exists (select 1 from group_peers($1, $3) p
                                    where p.user_id = m.user_id)
                         then 2::smallint
                       else 3::smallint end as "needed!"
           from memberships m
           where m.mandate_id = $1 and m.user_id = $2"#,
        grant.mandate_uuid(),
        user.uuid(),
        grant.caller_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        (
            Member {
                user_mandate_id: row.id.into(),
                user_id: row.user_id.into(),
                username: row.username,
                email: row.email,
                first_name: row.first_name,
                last_name: row.last_name,
                role_ids: row.role_ids,
                group_ids: row.group_ids,
                enabled: row.enabled,
                version: row.version,
                created_at: row.created_at,
            },
            row.needed,
        )
    }))
}

/// Who is a member of the grant's mandate, without what is told of them; for whoever reads members,
/// or admits one to an instance.
pub async fn found<T: Giving, O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<T, O>,
    user: UserId,
) -> Result<Option<Sealed<T, UserId>>> {
    let needed = sqlx::query_scalar!(
        r#"select case when m.user_id = $3 then 1::smallint
                       when exists (select 1 from group_peers($1, $3) p
                                    where p.user_id = m.user_id)
                         then 2::smallint
                       else 3::smallint end as "needed!"
           from memberships m where m.mandate_id = $1 and m.user_id = $2"#,
        grant.mandate_uuid(),
        user.uuid(),
        grant.caller_uuid(),
    );
    Ok(needed.fetch_optional(connection).await?.map(|needed| grant.seal(needed, user)))
}

/// A member as this transaction has left them: told to whoever changed them, whatever they may
/// read.
pub(super) async fn changed<O: Op>(
    connection: &mut PgConnection,
    grant: &Grant<Members, O>,
    user: UserId,
) -> Result<Member> {
    let row = row(connection, grant, user).await?;
    row.map(|(member, _)| member).ok_or_else(Error::not_found)
}

/// The member who has this address, where it is shown: not before they have used the mandate.
pub async fn with_address(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    address_key: &str,
) -> Result<Option<Sealed<Members, UserId>>> {
    let row = sqlx::query!(
        r#"select m.user_id,
                  case when m.user_id = $3 then 1::smallint
                       when exists (select 1 from group_peers($1, $3) p
                                    where p.user_id = m.user_id)
                         then 2::smallint
                       else 3::smallint end as "needed!"
           from memberships m
           where m.mandate_id = $1 and m.email_key = $2 and m.first_used_at is not null"#,
        grant.mandate_uuid(),
        address_key,
        grant.caller_uuid(),
    );
    let found = row.fetch_optional(connection).await?;
    Ok(found.map(|row| grant.seal(row.needed, row.user_id.into())))
}

/// Whether an account belongs to a mandate.
pub async fn is_member(
    connection: &mut PgConnection,
    account: Account,
    mandate: MandateId,
) -> Result<bool> {
    let is_member = sqlx::query_scalar!(
        r#"select exists (select 1 from memberships where mandate_id = $1 and user_id = $2)
             as "is_member!""#,
        mandate.uuid(),
        account.user().uuid(),
    );
    Ok(is_member.fetch_one(connection).await?)
}
