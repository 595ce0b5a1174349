//! What every change of an admission asks: by which right, whose, and which roles may be given.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{FeatureAccess, admission_find};
use crate::access::tables::{Access, Op};
use crate::context::judge::{Receiver, require_may_give, require_not_a_sys_admins_own};
use crate::context::{Change, Grant, InstanceContext, Opened, require_opens_nothing};
use crate::http::etag::Precondition;
use crate::kernel::error::Result;
use crate::kernel::ids::{RoleId, UserId};
use crate::tenancy::roles::NamedRole;

/// Permission over admissions: by the instance's row, or by the caller's own access in it.
pub(super) fn permission<O: Op>(context: &InstanceContext) -> Result<Grant<Access, O>> {
    context.grant_through_row::<Access, O>()
}

pub(super) fn ids(roles: &[NamedRole]) -> BTreeSet<RoleId> {
    roles.iter().map(|role| role.id).collect()
}

/// Whether the caller may give these roles to that user.
pub(super) async fn may_give<O: Op>(
    connection: &mut PgConnection,
    (context, _): (&InstanceContext, &Grant<Access, O>),
    target: UserId,
    roles: impl IntoIterator<Item = &NamedRole>,
) -> Result<()> {
    let receiver = Receiver::of(context, target);
    require_not_a_sys_admins_own(context, receiver)?;
    let given: Vec<_> = roles.into_iter().map(|role| &role.permissions).collect();
    given
        .iter()
        .try_for_each(|permissions| require_may_give(context, receiver, permissions, false))?;
    require_opens_nothing(connection, context, &[target], &given).await
}

pub(super) fn labels(roles: &[NamedRole], of: &BTreeSet<RoleId>) -> Vec<String> {
    roles.iter().filter(|role| of.contains(&role.id)).map(|role| role.label.clone()).collect()
}

/// An admission that is about to change: reached, at the expected version, and its holder within
/// the caller's own access.
pub(super) async fn opened<O: Op>(
    change: &mut Change<InstanceContext>,
    grant: &Grant<Access, O>,
    user: UserId,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<Opened<Access, O, FeatureAccess>> {
    let access = grant.open(admission_find::find_access(change, grant, user).await?)?;
    precondition.check_with(access.version, version)?;
    change.require_targets_within_own(&[user]).await?;
    Ok(access)
}
