//! Making somebody a member, with roles and in the groups that new members join.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Member, find};
use crate::access::tables::{Create, Members};
use crate::context::{Grant, SignedIn, System};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{MandateId, MembershipId, RoleId, UserId, uuids};

/// Adds a member with roles; they join the groups that new members join.
pub(super) async fn insert(
    connection: &mut PgConnection,
    grant: &Grant<Members, Create>,
    user: UserId,
    roles: &[RoleId],
    joins: Joins,
    now: DateTime<Utc>,
) -> Result<Member> {
    insert_as(connection, grant.into(), (grant.mandate(), user), roles, joins, now).await?;
    find::changed(connection, grant, user).await
}

/// Whether a new member joins the groups that take new members in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joins {
    Groups,
    /// Not where they were a member before.
    UnlessBack,
}

/// Makes a member of the first admin of a new mandate, whom nobody there could grant anything yet.
pub async fn insert_first(
    connection: &mut PgConnection,
    system: System,
    (mandate, user): (MandateId, UserId),
    roles: &[RoleId],
    now: DateTime<Utc>,
) -> Result<()> {
    insert_as(connection, system.into(), (mandate, user), roles, Joins::Groups, now).await
}

async fn insert_as(
    connection: &mut PgConnection,
    _: SignedIn,
    (mandate, user): (MandateId, UserId),
    roles: &[RoleId],
    joins: Joins,
    now: DateTime<Utc>,
) -> Result<()> {
    // Who is a member already is not inserted to be refused: what is copied of their account would
    // lock it, after the mandate, while whoever changes the account has it and waits for the
    // mandate.
    let made = sqlx::query_scalar!(
        r#"with member as (
             insert into memberships (id, mandate_id, user_id, created_at)
             select $1::uuid, $2::uuid, $3::uuid, $4::timestamptz
             where not exists (select 1 from memberships m
                               where m.mandate_id = $2 and m.user_id = $3)
             returning user_id),
           joined as (
             insert into group_members (mandate_id, group_id, user_id)
             select $2, g.id, m.user_id from member m
             join groups g on g.mandate_id = $2 and g.auto_join
             where not ($6 and exists (select 1 from former_members f
                                       where f.mandate_id = $2 and f.user_id = $3))),
           given as (
             insert into member_roles (mandate_id, user_id, role_id)
             select $2, m.user_id, role from member m, unnest($5::uuid[]) role)
           select exists (select 1 from member) as "made!""#,
        MembershipId::new().uuid(),
        mandate.uuid(),
        user.uuid(),
        now,
        &uuids(roles),
        joins == Joins::UnlessBack,
    )
    .fetch_one(connection)
    .await
    .on_constraint("memberships_pkey", already_member)
    // The three inserts are one statement without an order: any of them may be the first to find
    // the member.
    .on_constraint("member_roles_pkey", already_member)
    .on_constraint("group_members_pkey", already_member)?;
    if made { Ok(()) } else { Err(already_member()) }
}

/// 409 of who is to come in, and is there.
pub fn already_member() -> Error {
    Error::new(Code::AlreadyMember, "The user is a member of this mandate already.")
}
