//! The way in of SysAdmins, on routes that are theirs.

use super::authorizing::Authorizing;
use super::context::Context;
use super::facts::RequestFacts;
use crate::context::instance::{InstanceContext, instance_context};
use crate::context::load;
use crate::context::mandate::{Authority, MandateContext};
use crate::context::path::RequestPath;
use crate::context::refusals::{for_sys_admins, mandate_access_denied};
use crate::context::system::SystemContext;
use crate::context::terms::{Clause, Impersonation};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InstanceId, MandateId};

impl Context for SystemContext {
    const IMPERSONATION: Impersonation = Impersonation::Nothing;
    /// Where the path names a mandate, a header that is sent must agree.
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let authorizing = facts.with_session().await?;
        if !authorizing.caller.is_sys_admin {
            return Err(for_sys_admins());
        }
        if let Some(mandate) = authorizing.path.id::<MandateId>()? {
            authorizing.header_agrees(mandate)?;
        }
        Ok(Self::of(authorizing.caller))
    }
    fn works_in(&self, path: RequestPath<'_>) -> Option<MandateId> {
        path.id().ok().flatten()
    }
}

impl Authorizing<'_> {
    /// Whether it is a SysAdmin, on a route that is theirs too.
    pub(super) fn governs(&self) -> bool {
        self.caller.is_sys_admin && self.terms.has(Clause::Sys)
    }

    /// In the mandate that the path names; a header that is sent must agree.
    pub(super) async fn governed_mandate(self) -> Result<MandateContext> {
        let mandate = self.path.id::<MandateId>()?.ok_or_else(Error::not_found)?;
        self.header_agrees(mandate)?;
        if !load::mandate_exists(&*self.reader().await?, mandate).await? {
            return Err(Error::not_found());
        }
        Ok(MandateContext { caller: self.caller, mandate, authority: Authority::SysAdmin })
    }

    /// In the instance that the path names, and so in its mandate.
    pub(super) async fn governed_instance(self) -> Result<InstanceContext> {
        let instance = self.path.id::<InstanceId>()?.ok_or_else(Error::not_found)?;
        let mandate = load::mandate_of_instance(&*self.reader().await?, instance)
            .await?
            .ok_or_else(Error::not_found)?;
        self.header_agrees(mandate)?;
        let found = load::instance(&*self.reader().await?, self.caller.user, mandate, instance)
            .await?
            .ok_or_else(Error::not_found)?;
        let context =
            MandateContext { caller: self.caller, mandate, authority: Authority::SysAdmin };
        Ok(instance_context(context, instance, found))
    }

    fn header_agrees(&self, mandate: MandateId) -> Result<()> {
        match self.headers.mandate {
            Some(sent) if sent != mandate => Err(mandate_access_denied()),
            _ => Ok(()),
        }
    }
}
