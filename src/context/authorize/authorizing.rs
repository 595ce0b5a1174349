//! What every way in looks at.

use super::headers::ContextHeaders;
use crate::access::Level;
use crate::access::tables::least_level;
use crate::context::caller::Caller;
use crate::context::grant::permission_denied;
use crate::context::load::Epochs;
use crate::context::mandate::MandateContext;
use crate::context::merged_access::InstanceAccess;
use crate::context::path::RequestPath;
use crate::context::refusals::mandate_access_denied;
use crate::context::services::Services;
use crate::context::terms::{Clause, Terms};
use crate::kernel::db::Reader;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::UserId;

/// A request that is signed, and what decides about it.
pub(super) struct Authorizing<'a> {
    pub services: &'a Services,
    pub terms: &'a Terms,
    pub headers: ContextHeaders,
    pub path: RequestPath<'a>,
    pub caller: Caller,
    pub epochs: Epochs,
}

impl Authorizing<'_> {
    /// For one statement.
    pub(super) async fn reader(&self) -> Result<Reader<'_>> {
        self.services.reader(self.caller.user, self.headers.mandate).await
    }

    pub(super) fn is_oneself(&self) -> Result<bool> {
        if !self.terms.has(Clause::Oneself) {
            return Ok(false);
        }
        Ok(self.path.id::<UserId>()? == Some(self.caller.user))
    }

    pub(super) fn some_table_is_open(
        &self,
        context: &MandateContext,
        own: Option<&InstanceAccess>,
    ) -> bool {
        self.terms.clauses.iter().any(|clause| match clause {
            Clause::Table { table, operation, .. } => {
                context.levels(table, *operation).operation > Level::None
                    || own
                        .is_some_and(|access| access.merged.level(table, *operation) > Level::None)
            }
            _ => false,
        })
    }

    /// The refusal that names the first table of the policy.
    pub(super) fn denied(&self) -> Error {
        let named = self.terms.clauses.iter().find_map(|clause| match clause {
            Clause::Table { table, operation, .. } => {
                Some(permission_denied(table, *operation, least_level(table, *operation)))
            }
            _ => None,
        });
        named.unwrap_or_else(mandate_access_denied)
    }
}
