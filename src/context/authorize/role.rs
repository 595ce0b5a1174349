//! The way in to a role that the path names.

use super::authorizing::Authorizing;
use super::context::{Context, OfTables};
use super::facts::RequestFacts;
use crate::context::instance::instance_context;
use crate::context::load::{self, RoleHome};
use crate::context::mandate::MandateContext;
use crate::context::path::Origin;
use crate::context::role::RoleContext;
use crate::context::system::SystemContext;
use crate::context::terms::{Clause, Impersonation, Terms};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::RoleId;

impl Context for RoleContext {
    const IMPERSONATION: Impersonation = Impersonation::Reading;
    fn origin(_: &Terms) -> Option<Origin> {
        Some(Origin::Role)
    }
    /// Where a role is at home its own row says.
    fn passed_over(_: &Terms) -> &'static [Origin] {
        &[Origin::Mandate, Origin::Instance]
    }
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        facts.with_session().await?.role().await
    }
    fn in_mandate(&self) -> Option<&MandateContext> {
        match self {
            Self::Template(..) => None,
            Self::Mandate(mandate, _) => Some(mandate),
            Self::Instance(instance, _) => Some(instance.mandate()),
        }
    }
}

impl OfTables for RoleContext {}

impl Authorizing<'_> {
    /// A role by its id: templates for SysAdmins, else a role of the header's mandate or of one of
    /// its instances.
    async fn role(self) -> Result<RoleContext> {
        let role = self.path.id::<RoleId>()?.ok_or_else(Error::not_found)?;
        let home = load::role_home(&*self.reader().await?, role, self.headers.mandate).await?;
        if self.caller.is_sys_admin && self.terms.has(Clause::SysTemplates) {
            if home == Some(RoleHome::Template) {
                return Ok(RoleContext::Template(SystemContext::of(self.caller), role));
            }
            if self.headers.mandate.is_none() {
                return Err(Error::not_found());
            }
        }
        let context = self.member().await?;
        let instance = match home {
            Some(RoleHome::Instance(id)) => {
                load::instance(&*self.reader().await?, self.caller.user, context.mandate, id)
                    .await?
                    .map(|found| (id, found))
            }
            _ => None,
        };
        let own = instance.as_ref().and_then(|(_, found)| found.access.as_deref());
        if !self.some_table_is_open(&context, own) {
            return Err(self.denied());
        }
        match (home, instance) {
            (Some(RoleHome::Mandate), _) => Ok(RoleContext::Mandate(context, role)),
            (Some(RoleHome::Instance(_)), Some((id, found))) => {
                Ok(RoleContext::Instance(instance_context(context, id, found), role))
            }
            _ => Err(Error::not_found()),
        }
    }
}
