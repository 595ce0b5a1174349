//! What every way in looks at.

use std::collections::HashMap;

use super::headers::ContextHeaders;
use crate::access::Level;
use crate::access::tables::least_level;
use crate::context::caller::Caller;
use crate::context::grant::permission_denied;
use crate::context::load::Epochs;
use crate::context::mandate::MandateContext;
use crate::context::merged_access::InstanceAccess;
use crate::context::policy::{Clause, Policy};
use crate::context::refusals::mandate_access_denied;
use crate::context::services::Services;
use crate::kernel::db::Reader;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;

/// A request that is signed, and what decides about it.
pub(super) struct Entrance<'a> {
    pub services: &'a Services,
    pub policy: &'a Policy,
    pub headers: ContextHeaders,
    pub path: &'a HashMap<String, String>,
    pub caller: Caller,
    pub epochs: Epochs,
}

impl Entrance<'_> {
    /// For one statement.
    pub(super) async fn reader(&self) -> Result<Reader<'_>> {
        self.services.reader(self.caller.user, self.headers.mandate).await
    }

    pub(super) fn path_id<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.path.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Error::new(Code::InvalidParameter, format!("`{name}` in the path must be a UUID."))
        })
    }

    pub(super) fn is_oneself(&self) -> Result<bool> {
        if !self.policy.has(Clause::Oneself) {
            return Ok(false);
        }
        Ok(self.path_id::<UserId>("userId")? == Some(self.caller.user))
    }

    pub(super) fn some_table_is_open(
        &self,
        context: &MandateContext,
        own: Option<&InstanceAccess>,
    ) -> bool {
        self.policy.clauses.iter().any(|clause| match clause {
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
        let named = self.policy.clauses.iter().find_map(|clause| match clause {
            Clause::Table { table, operation, .. } => {
                Some(permission_denied(table, *operation, least_level(table, *operation)))
            }
            _ => None,
        });
        named.unwrap_or_else(mandate_access_denied)
    }
}
