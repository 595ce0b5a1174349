//! Whether somebody may be admitted to an instance, in whatever way they come.

use sqlx::PgConnection;

use super::admission_change::{ids, labels, may_give, permission};
use super::admission_find;
use crate::access::Level;
use crate::access::tables::{Access, Create, Op, Read, Table};
use crate::context::grant::permission_denied;
use crate::context::judge::{Receiver, require_brings_instance_no_nearer, require_may_give};
use crate::context::{Grant, InstanceContext, Opened};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::UserId;
use crate::kernel::missing::Thing;
use crate::tenancy::members;
use crate::tenancy::roles::{self, NamedRole, NamedRoles};

/// Permission to admit somebody, in whatever way they come. SysAdmins have none: they say who
/// belongs to a mandate, and open nobody its data.
pub fn permission_to_admit(context: &InstanceContext) -> Result<Grant<Access, Create>> {
    if context.mandate().is_sys_admin() {
        return Err(permission_denied(Access::NAME, Create::OPERATION, Level::My));
    }
    permission(context)
}

/// The same for somebody who is no member yet. An instance that the caller does not see is not
/// there, as it would not be where the path names it.
pub fn permission_to_offer(context: &InstanceContext) -> Result<Grant<Access, Create>> {
    let is_seen = || context.access().is_some() || context.grant_over_itself::<Read>().is_ok();
    permission_to_admit(context)
        .map_err(|refusal| if is_seen() { refusal } else { Error::not_found() })
}

/// Whether the caller may admit this member with these roles, under the locks: permission to do so,
/// and the roles' labels for the trail. 404 that points to what is not there of all that is named.
pub async fn require_may_admit(
    connection: &mut PgConnection,
    (context, grant): (&InstanceContext, &Grant<Access, Create>),
    user: UserId,
    roles: &NamedRoles,
) -> Result<(Opened<Access, Create, UserId>, Vec<String>)> {
    let found = members::found(connection, grant, user).await?;
    let given = roles::find_named(connection, grant, roles.ids()).await?;
    require_there(found.is_some(), roles, &given)?;
    let member = grant.open(found)?;
    may_give(connection, (context, grant), user, &given).await?;
    require_brings_instance_no_nearer(context, member.nearness())?;
    Ok((member, labels(&given, &ids(&given))))
}

/// The roles that somebody is to be admitted with who is no member yet, where the caller may give
/// all of them.
pub async fn require_may_offer(
    connection: &mut PgConnection,
    (context, grant): (&InstanceContext, &Grant<Access, Create>),
    roles: &NamedRoles,
) -> Result<Vec<NamedRole>> {
    let given = roles::find_named(connection, grant, roles.ids()).await?;
    require_there(true, roles, &given)?;
    let newcomer = grant.open(Some(admission_find::newcomer(connection, grant).await?))?;
    for role in &given {
        require_may_give(context, Receiver::SomebodyElse, &role.permissions, false)?;
    }
    require_brings_instance_no_nearer(context, newcomer.nearness())?;
    Ok(given)
}

/// 404 that points to what is not there of all that is named.
fn require_there(member: bool, roles: &NamedRoles, found: &[NamedRole]) -> Result<()> {
    let unknown = roles.unknown(&ids(found));
    match member {
        true if unknown.is_empty() => Ok(()),
        true => Err(Error::unknown(unknown)),
        false => Err(Error::unknown([vec![Thing::User.unknown("/userId")], unknown].concat())),
    }
}
