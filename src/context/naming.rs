//! Whom an answer may name. Permission to change something is no permission to learn whom else it
//! concerns: beside what a request names itself, an answer names only people whom the caller could
//! list.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::instance::InstanceContext;
use super::load;
use super::mandate::MandateContext;
use crate::access::tables::{Access, Members, Read, Table};
use crate::access::{Level, Operation};
use crate::kernel::error::Result;
use crate::kernel::ids::{UserId, uuids};

impl MandateContext {
    /// Those of these users whom the caller's `members.read` reaches, and the caller. SysAdmins on
    /// somebody's mandate read all.
    pub async fn nameable(
        &self,
        connection: &mut PgConnection,
        users: &[UserId],
    ) -> Result<BTreeSet<UserId>> {
        let level = self.levels(Members::NAME, Operation::Read).read;
        self.reached(connection, level, users).await
    }

    /// Those whom a level reaches among these.
    async fn reached(
        &self,
        connection: &mut PgConnection,
        level: Level,
        users: &[UserId],
    ) -> Result<BTreeSet<UserId>> {
        let caller = self.caller.user;
        let mut reached: BTreeSet<UserId> =
            users.iter().copied().filter(|user| level == Level::All || *user == caller).collect();
        if level == Level::Group && reached.len() < users.len() {
            reached
                .extend(load::peers_among(connection, self.mandate, caller, &uuids(users)).await?);
        }
        Ok(reached)
    }
}

impl InstanceContext {
    /// The same in an instance: also those who are admitted to it, where the caller may list them
    /// there.
    pub async fn nameable(
        &self,
        connection: &mut PgConnection,
        users: &[UserId],
    ) -> Result<BTreeSet<UserId>> {
        let mut nameable = self.mandate.nameable(&mut *connection, users).await?;
        let rest: Vec<UserId> =
            users.iter().copied().filter(|user| !nameable.contains(user)).collect();
        if let Ok(grant) = self.grant_through_row::<Access, Read>()
            && !rest.is_empty()
        {
            let admitted = load::admitted_among(
                &mut *connection,
                self.mandate.mandate,
                self.instance,
                &uuids(&rest),
            )
            .await?;
            nameable.extend(self.mandate.reached(connection, grant.level(), &admitted).await?);
        }
        Ok(nameable)
    }
}
