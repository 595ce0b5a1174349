//! Somebody in a mandate: as a member, or as a SysAdmin who governs it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::actor::{Actor, RequestMeta};
use super::caller::Caller;
use super::grant::{Grant, Levels};
use super::load;
use super::member::ReadMember;
use super::merged_access::{InstanceAccess, MandateAccess};
use super::refusals::mandate_access_denied;
use super::system::SystemContext;
use super::through::ThroughLevel;
use super::transaction::{Reading, Writing};
use crate::access::tables::{Access, Create, Members, Op, Table};
use crate::access::{Catalogue, Level, Operation};
use crate::kernel::db::{ActAs, Intent, Reader, Whose};
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// By what right the caller is in a mandate.
#[derive(Debug, Clone)]
pub(super) enum Authority {
    /// Governs it from outside, on the routes that allow it; sees no data of features.
    SysAdmin,
    Member(Arc<MandateAccess>),
    /// A member whose membership is disabled: on the route by which they leave, with no access at
    /// all.
    Suspended,
}

impl Authority {
    /// A member's; 403 where they are none, or somebody else acts as them and the mandate's admins
    /// did not let that be.
    pub(super) fn of_member(caller: &Caller, access: Option<Arc<MandateAccess>>) -> Result<Self> {
        let lets_in = |access: &Arc<MandateAccess>| {
            caller.impersonated_by.is_none() || access.allows_impersonation
        };
        access.filter(lets_in).map(Self::Member).ok_or_else(mandate_access_denied)
    }
}

/// A caller in one mandate.
#[derive(Debug, Clone)]
pub struct MandateContext {
    pub(super) caller: Caller,
    pub(super) mandate: MandateId,
    pub(super) authority: Authority,
}

impl MandateContext {
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
    pub fn mandate(&self) -> MandateId {
        self.mandate
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.caller.now()
    }
    /// Whether the caller acts as a SysAdmin here, not as a member.
    pub fn is_sys_admin(&self) -> bool {
        matches!(self.authority, Authority::SysAdmin)
    }
    /// Whether the caller's membership is disabled, so that all they may do is leave.
    pub fn is_suspended(&self) -> bool {
        matches!(self.authority, Authority::Suspended)
    }
    /// Whether the caller holds the protected role `admin` here.
    pub fn is_admin(&self) -> bool {
        self.access().is_some_and(|access| access.is_admin)
    }
    /// Whether the caller can only give what is within their own access.
    pub fn is_delegate(&self) -> bool {
        !self.is_sys_admin() && !self.is_admin()
    }
    /// The caller's access as a member; a SysAdmin has none, nor has whose membership is disabled.
    pub fn access(&self) -> Option<&MandateAccess> {
        match &self.authority {
            Authority::SysAdmin | Authority::Suspended => None,
            Authority::Member(access) => Some(access),
        }
    }

    pub(super) fn levels(&self, table: &str, operation: Operation) -> Levels {
        match &self.authority {
            Authority::SysAdmin => Levels::ALL,
            Authority::Suspended => Levels { operation: Level::None, read: Level::None },
            Authority::Member(access) => Levels {
                operation: access.merged.level(table, operation),
                read: access.merged.level(table, Operation::Read),
            },
        }
    }

    /// Permission to do `O` on the mandate table `T`; 403 where the caller's level is `n`.
    pub fn grant<T: Table, O: Op>(&self) -> Result<Grant<T, O>> {
        Grant::decide(self.mandate, None, self.caller.user, self.levels(T::NAME, O::OPERATION))
    }

    /// Whether the level of a table of the mandate opens all of the table `T` in each of its
    /// instances.
    pub fn reaches_all_through<T: ThroughLevel, O: Op>(&self) -> bool {
        self.levels(T::Of::NAME, O::OPERATION).operation == Level::All
    }

    /// Permission over the caller's own membership, which needs no permission: leaving.
    pub fn grant_over_oneself<O: Op>(&self) -> Result<Grant<Members, O>> {
        let own = Levels { operation: Level::My, read: Level::My };
        Grant::decide(
            self.mandate,
            None,
            self.caller.user,
            self.levels(Members::NAME, O::OPERATION).max(own),
        )
    }

    /// Permission to admit the creator to an instance that this very transaction makes.
    pub fn grant_over_new_instance(&self, instance: InstanceId) -> Result<Grant<Access, Create>> {
        let levels = if self.is_admin() {
            Levels::ALL
        } else {
            Levels { operation: Level::None, read: Level::None }
        };
        Grant::decide(self.mandate, Some(instance), self.caller.user, levels)
    }

    /// What a member may do in an instance of this mandate, where it is alive, with the tables and
    /// views that the instance knows; `None`: no such instance.
    pub async fn instance_access_of(
        &self,
        member: &ReadMember,
        instance: InstanceId,
    ) -> Result<Option<(Catalogue, Option<Arc<InstanceAccess>>)>> {
        let (reader, user) = (self.reader().await?, member.user);
        let found = load::instance(&*reader, user, self.mandate, instance).await?;
        Ok(found.map(|found| (found.catalogue, found.access)))
    }
    pub(super) async fn reader(&self) -> Result<Reader<'_>> {
        self.caller.services.db.reader_for(Whose::Mandate(self.mandate)).await
    }
    /// The platform, where the caller is in this mandate as a SysAdmin.
    pub fn as_system(&self) -> Option<SystemContext> {
        self.is_sys_admin().then(|| SystemContext::of(self.caller.clone()))
    }

    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading::new(self.caller.services.db.begin(self.tenant(None), Intent::Read).await?))
    }
    pub async fn write(&self) -> Result<Writing> {
        Ok(Writing::new(
            self.caller.services.db.begin(self.tenant(None), self.caller.intent()).await?,
        ))
    }

    pub(super) fn tenant(&self, instance: Option<InstanceId>) -> ActAs {
        ActAs::Tenant { mandate: self.mandate, instance, user: self.caller.user }
    }
}

impl Actor for MandateContext {
    fn actor(&self) -> Option<UserId> {
        Some(self.caller.user)
    }
    fn impersonated_by(&self) -> Option<UserId> {
        self.caller.impersonated_by
    }
    fn meta(&self) -> &RequestMeta {
        &self.caller.meta
    }
    fn scope(&self) -> Option<MandateId> {
        Some(self.mandate)
    }
    fn now(&self) -> DateTime<Utc> {
        self.caller.now()
    }
}
