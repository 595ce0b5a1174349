//! Making a member of somebody, in whatever way they come: added, or invited.

use sqlx::PgConnection;

use super::Member;
use super::insert::{self, Joins};
use super::role_routes::require_named;
use crate::access::tables::{Create, Members};
use crate::context::judge::Receiver;
use crate::context::{Change, Grant, MandateContext};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;
use crate::tenancy::roles::{NamedRole, NamedRoles};

/// The roles that somebody is to come with, where the caller may give all of them; 404 that points
/// to what is no role of the mandate. Who it is need not be known: what is refused does not depend
/// on it.
pub async fn require_may_offer(
    connection: &mut PgConnection,
    (context, grant): (&MandateContext, &Grant<Members, Create>),
    roles: &NamedRoles,
    receiver: Receiver,
) -> Result<Vec<NamedRole>> {
    if receiver == Receiver::Oneself && context.is_sys_admin() {
        let detail = "SysAdmins do not add themselves to a mandate.";
        return Err(Error::new(Code::SelfEscalation, detail));
    }
    let given = require_named(connection, grant, roles).await?;
    for role in &given {
        role.require_grantable_to(context, receiver)?;
    }
    Ok(given)
}

/// Makes them a member with these roles, under the locks; the labels are for the trail. From here
/// on the change goes on as the tenant.
pub async fn admit(
    change: &mut Change<MandateContext>,
    target: UserId,
    roles: &NamedRoles,
) -> Result<(Member, Vec<String>)> {
    let context = change.context.clone();
    let grant = context.grant::<Members, Create>()?;
    let receiver = Receiver::of(&context, target);
    let given = require_may_offer(change, (&context, &grant), roles, receiver).await?;
    change.as_tenant().await?;
    // Rows of somebody who comes back are there already: a delegate does not bring them near, nor a
    // SysAdmin near themselves.
    let restrained = context.is_delegate() || context.caller().is_sys_admin();
    let joins = if restrained { Joins::UnlessBack } else { Joins::Groups };
    let now = context.now();
    let member = insert::insert(change, &grant, target, roles.ids(), joins, now).await?;
    Ok((member, given.into_iter().map(|role| role.label).collect()))
}
