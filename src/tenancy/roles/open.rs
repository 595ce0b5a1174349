//! A role that is about to change: found under the locks, reached by the caller's level, not
//! protected, and, for a delegate, within their own access as it is.

use super::role::{FullRole, Role};
use super::{find, permission_store, store, template_find};
use crate::access::grant::Bound;
use crate::access::tables::{Delete, InstanceRoles, Op, Roles, Update};
use crate::access::{Catalogue, Level, Merged, Permissions};
use crate::context::audit::Event;
use crate::context::judge::require_within_own;
use crate::context::{
    Change, Concerned, InstanceContext, Locks, MandateContext, Opened, Outcome, Recorded,
    require_opens_nothing,
};
use crate::http::etag::Precondition;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::names::Name;
use crate::kernel::translations::Texts;

/// A role, open for a change, in the change of access that its change is.
pub(super) enum Within<O> {
    Mandate(Change<MandateContext>, Opened<Roles, O, FullRole>),
    Instance(Change<InstanceContext>, Opened<InstanceRoles, O, FullRole>),
}

impl<O> Within<O> {
    pub fn full(&self) -> &FullRole {
        match self {
            Within::Mandate(_, role) => role,
            Within::Instance(_, role) => role,
        }
    }
    fn nearness(&self) -> Level {
        match self {
            Within::Mandate(_, role) => role.nearness(),
            Within::Instance(_, role) => role.nearness(),
        }
    }
    /// What permissions of the role can speak of.
    pub fn catalogue(&self) -> Catalogue {
        match self {
            Within::Mandate(..) => Catalogue::mandate(),
            Within::Instance(change, _) => change.context.catalogue().clone(),
        }
    }
    /// 403 where a delegate would give more than they have.
    pub fn require_within_own(&self, permissions: &Permissions) -> Result<()> {
        match self {
            Within::Mandate(change, _) => require_within_own(&change.context, permissions),
            Within::Instance(change, _) => require_within_own(&change.context, permissions),
        }
    }
    /// SysAdmins do not change their own access, not even as an admin of the mandate who edits a
    /// role that they hold.
    pub fn require_no_own_raise(&self, after: &Permissions) -> Result<()> {
        let context = match self {
            Within::Mandate(change, _) => &change.context,
            Within::Instance(change, _) => change.context.mandate(),
        };
        let catalogue = self.catalogue();
        let raises = || {
            let before = &self.full().permissions;
            !Merged::of([after], &catalogue).within(&Merged::of([before], &catalogue))
        };
        if context.caller().is_sys_admin() && self.nearness() == Level::My && raises() {
            return Err(Error::new(
                Code::SelfEscalation,
                "SysAdmins do not raise a role that they hold.",
            ));
        }
        Ok(())
    }
    /// 403 where a delegate would give holders of the role rows to reach by `g` that they do not
    /// reach themselves.
    pub async fn require_opens_nothing(
        &mut self,
        holders: &[UserId],
        after: &Permissions,
    ) -> Result<()> {
        let catalogue = self.catalogue();
        let before = Merged::of([&self.full().permissions], &catalogue);
        if Bound::of([after], &catalogue).within(&before) {
            return Ok(());
        }
        match self {
            Within::Mandate(change, _) => {
                let context = change.context.clone();
                require_opens_nothing(change, &context, holders, &[after]).await
            }
            Within::Instance(change, _) => {
                let context = change.context.clone();
                require_opens_nothing(change, &context, holders, &[after]).await
            }
        }
    }
    async fn as_tenant(&mut self) -> Result<()> {
        match self {
            Within::Mandate(change, _) => change.as_tenant().await,
            Within::Instance(change, _) => change.as_tenant().await,
        }
    }
    pub async fn record(&mut self, event: Event) -> Result<Recorded> {
        match self {
            Within::Mandate(change, _) => change.record(event).await,
            Within::Instance(change, _) => change.record(event).await,
        }
    }
    pub async fn commit(self, recorded: Recorded) -> Result<()> {
        match self {
            Within::Mandate(change, _) => change.commit(recorded).await,
            Within::Instance(change, _) => change.commit(recorded).await,
        }
    }
    /// Commits; or, in a dry run, tells what changed for the role's holders and undoes it.
    pub async fn conclude<T>(self, recorded: Recorded, answer: T) -> Result<Outcome<T>> {
        let role = self.full().role.id;
        match self {
            Within::Mandate(change, _) => {
                change.conclude(recorded, Concerned::HoldersOf(role), answer).await
            }
            Within::Instance(change, _) => {
                change.conclude(recorded, Concerned::HoldersOf(role), answer).await
            }
        }
    }
}

impl Within<Update> {
    /// Changes label and description, where given.
    pub async fn rename(
        &mut self,
        label: Option<&Name>,
        description: Option<&Texts>,
    ) -> Result<Role> {
        match self {
            Within::Mandate(change, role) => store::update(change, role, label, description).await,
            Within::Instance(change, role) => store::update(change, role, label, description).await,
        }
    }
    pub async fn replace_permissions(&mut self, after: &Permissions) -> Result<()> {
        match self {
            Within::Mandate(change, role) => {
                permission_store::replace_permissions(change, role, after).await
            }
            Within::Instance(change, role) => {
                permission_store::replace_permissions(change, role, after).await
            }
        }
    }
}

impl Within<Delete> {
    pub async fn delete(&mut self) -> Result<()> {
        match self {
            Within::Mandate(change, role) => store::delete(change, role).await,
            Within::Instance(change, role) => store::delete(change, role).await,
        }
    }
}

/// A role, open for a change.
pub(super) struct OpenRole<O> {
    pub within: Within<O>,
    /// Whom it was given to.
    pub holders: Vec<UserId>,
}

pub(super) async fn open_in_mandate<O: Op>(
    context: &MandateContext,
    role: RoleId,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<OpenRole<O>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant::<Roles, O>()?;
    let role = grant.open(find::find_for_change(&mut change, &grant, role).await?)?;
    let holders = find::holders(&mut change, &role).await?;
    ready(OpenRole { within: Within::Mandate(change, role), holders }, precondition, version).await
}

pub(super) async fn open_in_instance<O: Op>(
    context: &InstanceContext,
    role: RoleId,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<OpenRole<O>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant_through_level::<InstanceRoles, O>()?;
    let role = grant.open(find::find_for_change(&mut change, &grant, role).await?)?;
    let holders = find::holders(&mut change, &role).await?;
    ready(OpenRole { within: Within::Instance(change, role), holders }, precondition, version).await
}

async fn ready<O>(
    mut open: OpenRole<O>,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<OpenRole<O>> {
    let FullRole { role, permissions } = open.within.full();
    if role.protected {
        return Err(template_find::protected());
    }
    precondition.check_with(role.version, version)?;
    open.within.require_within_own(permissions)?;
    open.within.as_tenant().await?;
    Ok(open)
}
