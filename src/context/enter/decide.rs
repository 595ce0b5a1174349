//! Which way in a policy asks for.

use super::entered::Entered;
use super::entrance::Entrance;
use crate::context::policy::Clause;
use crate::context::refusals::for_sys_admins;
use crate::kernel::error::Result;

impl Entrance<'_> {
    pub(super) async fn decide(self) -> Result<Entered> {
        if self.policy.has(Clause::User) {
            return self.user().await;
        }
        if self.path.contains_key("roleId") && !self.path.contains_key("mandateId") {
            return self.role().await.map(Entered::Role);
        }
        if self.policy.has(Clause::Sys) && self.caller.is_sys_admin {
            return self.sys_admin().await;
        }
        let tables: Vec<_> =
            self.policy.clauses.iter().filter(|c| matches!(c, Clause::Table { .. })).collect();
        if tables.is_empty() {
            return self.without_table();
        }
        let context = self.member_or_suspended().await?;
        if self.policy.asks {
            let open = self.some_table_is_open(&context, None);
            return if open {
                self.asking(context).await.map(Entered::Asking)
            } else {
                Err(self.denied())
            };
        }
        if let Some(feature) = self.policy.feature_code() {
            return self.in_feature(&context, feature).await.map(Entered::Instance);
        }
        if self.path.contains_key("instanceId") {
            return self.instance_in_path(context).await.map(Entered::Instance);
        }
        if self.is_oneself()? || self.some_table_is_open(&context, None) {
            return Ok(Entered::Mandate(context));
        }
        Err(self.denied())
    }

    /// Routes for SysAdmins and for oneself, such as a user's account.
    fn without_table(self) -> Result<Entered> {
        if self.is_oneself()? {
            return Ok(Entered::User(self.caller, None, None));
        }
        Err(for_sys_admins())
    }
}
