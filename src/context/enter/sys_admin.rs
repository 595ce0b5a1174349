//! The way in of SysAdmins, on routes that are theirs.

use super::entered::Entered;
use super::entrance::Entrance;
use crate::context::instance::instance_context;
use crate::context::load;
use crate::context::mandate::{Authority, MandateContext};
use crate::context::policy::Clause;
use crate::context::refusals::mandate_access_denied;
use crate::context::system::SystemContext;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InstanceId, MandateId};

impl Entrance<'_> {
    /// A SysAdmin, on a route that is theirs: the object in the path names the mandate, and a
    /// header that is sent must agree. Where the path names none it is every mandate; a header that
    /// is sent says which one, and selects no roles.
    pub(super) async fn sys_admin(self) -> Result<Entered> {
        let governs_mandate =
            self.policy.clauses.iter().any(|clause| matches!(clause, Clause::Table { .. }));
        if let Some(mandate) = self.path_id::<MandateId>("mandateId")? {
            self.header_agrees(mandate)?;
            if !governs_mandate {
                return Ok(Entered::System(SystemContext::of(self.caller)));
            }
            if !load::mandate_exists(&*self.reader().await?, mandate).await? {
                return Err(Error::not_found());
            }
            return Ok(Entered::Mandate(MandateContext {
                caller: self.caller,
                mandate,
                authority: Authority::SysAdmin,
            }));
        }
        let Some(instance) = self.path_id::<InstanceId>("instanceId")? else {
            let system = SystemContext::of(self.caller);
            return Ok(if governs_mandate {
                Entered::Everywhere(system, self.headers.mandate)
            } else {
                Entered::System(system)
            });
        };
        let mandate = load::mandate_of_instance(&*self.reader().await?, instance)
            .await?
            .ok_or_else(Error::not_found)?;
        self.header_agrees(mandate)?;
        let found = load::instance(&*self.reader().await?, self.caller.user, mandate, instance)
            .await?
            .ok_or_else(Error::not_found)?;
        let context =
            MandateContext { caller: self.caller, mandate, authority: Authority::SysAdmin };
        // As a SysAdmin: the flag opens no data, and roles held as a member do not count here.
        Ok(Entered::Instance(instance_context(context, instance, found, None)))
    }

    fn header_agrees(&self, mandate: MandateId) -> Result<()> {
        match self.headers.mandate {
            Some(sent) if sent != mandate => Err(mandate_access_denied()),
            _ => Ok(()),
        }
    }
}
