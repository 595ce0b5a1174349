//! A role that is about to change: found under the locks, reached by the caller's level, not protected, and, for a delegate,
//! within their own access as it is.

use sqlx::PgConnection;

use super::copies;
use super::store::{self, Changing, Deleting, Found};
use crate::access::grant::Bound;
use crate::access::tables::{Delete, InstanceRoles, Op, Roles, Update};
use crate::access::{Catalogue, Level, Merged, Permissions};
use crate::context::audit::{self, Event};
use crate::context::judge::require_within_own;
use crate::context::{
    Change, Concerned, Grant, InstanceContext, Locks, MandateContext, Outcome, Recorded,
    require_opens_nothing,
};
use crate::http::etag::Precondition;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{RoleId, UserId};

/// The change of access that a role's change is.
pub(super) enum Opened {
    Mandate(Change<MandateContext>),
    Instance(Change<InstanceContext>),
}

impl Opened {
    pub fn connection(&mut self) -> &mut PgConnection {
        match self {
            Opened::Mandate(change) => change,
            Opened::Instance(change) => change,
        }
    }
    /// What permissions of the role can speak of.
    pub fn catalogue(&self) -> Catalogue {
        match self {
            Opened::Mandate(_) => Catalogue::mandate(),
            Opened::Instance(change) => change.context.catalogue().clone(),
        }
    }
    /// 403 where a delegate would give more than they have.
    pub fn require_within_own(&self, permissions: &Permissions) -> Result<()> {
        match self {
            Opened::Mandate(change) => require_within_own(&change.context, permissions),
            Opened::Instance(change) => require_within_own(&change.context, permissions),
        }
    }
    /// SysAdmins do not change their own access, not even as an admin of the mandate who edits a role that they hold.
    pub fn require_no_own_raise(&self, found: &Found, after: &Permissions) -> Result<()> {
        let context = match self {
            Opened::Mandate(change) => &change.context,
            Opened::Instance(change) => change.context.mandate(),
        };
        let catalogue = self.catalogue();
        let raises = || {
            !Merged::of([after], &catalogue).within(&Merged::of([&found.permissions], &catalogue))
        };
        if context.caller().is_sys_admin() && found.needed == Level::My && raises() {
            return Err(Error::new(
                Code::SelfEscalation,
                "SysAdmins do not raise a role that they hold.",
            ));
        }
        Ok(())
    }
    /// 403 where a delegate would give holders of the role rows to reach by `g` that they do not reach themselves.
    pub async fn require_opens_nothing(
        &mut self,
        holders: &[UserId],
        before: &Permissions,
        after: &Permissions,
    ) -> Result<()> {
        let catalogue = self.catalogue();
        if Bound::of([after], &catalogue).within(&Merged::of([before], &catalogue)) {
            return Ok(());
        }
        match self {
            Opened::Mandate(change) => {
                let context = change.context.clone();
                require_opens_nothing(change, &context, holders, &[after]).await
            }
            Opened::Instance(change) => {
                let context = change.context.clone();
                require_opens_nothing(change, &context, holders, &[after]).await
            }
        }
    }
    async fn as_tenant(&mut self) -> Result<()> {
        match self {
            Opened::Mandate(change) => change.as_tenant().await,
            Opened::Instance(change) => change.as_tenant().await,
        }
    }
    pub async fn record(&mut self, event: Event) -> Result<Recorded> {
        match self {
            Opened::Mandate(change) => {
                let context = change.context.clone();
                audit::record(change, &context, event).await
            }
            Opened::Instance(change) => {
                let context = change.context.mandate().clone();
                audit::record(change, &context, event).await
            }
        }
    }
    pub async fn commit(self, recorded: Recorded) -> Result<()> {
        match self {
            Opened::Mandate(change) => change.commit(recorded).await,
            Opened::Instance(change) => change.commit(recorded).await,
        }
    }
    /// Commits; or, in a dry run, tells what changed for the role's holders and undoes it.
    pub async fn conclude<T>(
        self,
        recorded: Recorded,
        role: RoleId,
        answer: T,
    ) -> Result<Outcome<T>> {
        match self {
            Opened::Mandate(change) => {
                change.conclude(recorded, Concerned::HoldersOf(role), answer).await
            }
            Opened::Instance(change) => {
                change.conclude(recorded, Concerned::HoldersOf(role), answer).await
            }
        }
    }
}

/// Leave over the role, by whichever table gave it.
pub(super) enum RoleGrant<O> {
    Mandate(Grant<Roles, O>),
    Instance(Grant<InstanceRoles, O>),
}

impl From<&RoleGrant<Update>> for Changing {
    fn from(grant: &RoleGrant<Update>) -> Self {
        match grant {
            RoleGrant::Mandate(grant) => grant.into(),
            RoleGrant::Instance(grant) => grant.into(),
        }
    }
}
impl From<&RoleGrant<Delete>> for Deleting {
    fn from(grant: &RoleGrant<Delete>) -> Self {
        match grant {
            RoleGrant::Mandate(grant) => grant.into(),
            RoleGrant::Instance(grant) => grant.into(),
        }
    }
}

/// A role, open for a change.
pub(super) struct OpenRole<O> {
    pub change: Opened,
    pub grant: RoleGrant<O>,
    pub found: Found,
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
    store::lock(&mut change, grant.mandate(), role).await?;
    let found = store::find(&mut change, &grant, role).await?.ok_or_else(Error::not_found)?;
    grant.admit(found.needed)?;
    let holders = store::holders(&mut change, grant.mandate(), role).await?;
    ready(
        OpenRole {
            change: Opened::Mandate(change),
            grant: RoleGrant::Mandate(grant),
            found,
            holders,
        },
        precondition,
        version,
    )
    .await
}

pub(super) async fn open_in_instance<O: Op>(
    context: &InstanceContext,
    role: RoleId,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<OpenRole<O>> {
    let mut change = context.change(Locks::mandate_only()).await?;
    let grant = change.context.grant_by_level::<InstanceRoles, O>("roles")?;
    store::lock(&mut change, grant.mandate(), role).await?;
    let found = store::find(&mut change, &grant, role).await?.ok_or_else(Error::not_found)?;
    grant.admit(found.needed)?;
    let holders = store::holders(&mut change, grant.mandate(), role).await?;
    ready(
        OpenRole {
            change: Opened::Instance(change),
            grant: RoleGrant::Instance(grant),
            found,
            holders,
        },
        precondition,
        version,
    )
    .await
}

async fn ready<O>(
    mut open: OpenRole<O>,
    precondition: &Precondition,
    version: Option<i64>,
) -> Result<OpenRole<O>> {
    if open.found.role.protected {
        return Err(copies::protected());
    }
    precondition.check_with(open.found.role.version, version)?;
    open.change.require_within_own(&open.found.permissions)?;
    open.change.as_tenant().await?;
    Ok(open)
}
