//! What a change of access locks before it looks; why in this order tells [`super::change`].

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::services::Services;
use crate::kernel::db::{ActAs, AdvisoryLock, Intent, Transaction};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId, uuids};

/// What a change of access locks before it looks.
#[derive(Debug, Clone, Default)]
pub struct Locks {
    platform: bool,
    users: BTreeSet<UserId>,
    mandates: BTreeSet<MandateId>,
    memberships_of: Option<UserId>,
    newcomer: Option<UserId>,
}

impl Locks {
    /// None but the mandate's, for what concerns its own people.
    pub fn mandate_only() -> Self {
        Self::default()
    }
    /// Somebody who is to come into a mandate, so that their account is not disabled meanwhile.
    /// Locked last, for the rest of the transaction and not while it waits, and only where they are
    /// no member yet: who disables an account waits for the mandates that it belongs to, with the
    /// account locked.
    pub fn newcomer(user: UserId) -> Self {
        Self { newcomer: Some(user), ..Self::default() }
    }
    /// The accounts that are changed, or that come into a mandate which is made with them.
    pub fn users(users: impl IntoIterator<Item = UserId>) -> Self {
        Self { users: users.into_iter().collect(), ..Self::default() }
    }
    /// An account that is disabled, enabled, flagged or erased: also every mandate it belongs to,
    /// and the platform's lock.
    #[must_use]
    pub fn account(user: UserId) -> Self {
        Self { platform: true, users: [user].into(), memberships_of: Some(user), ..Self::default() }
    }
    #[must_use]
    pub fn and_mandate(mut self, mandate: MandateId) -> Self {
        self.mandates.insert(mandate);
        self
    }

    /// Begins a transaction that has taken them, as the system.
    pub(super) async fn begin(
        &self,
        services: &Services,
        intent: Intent,
        turn_of: Option<MandateId>,
    ) -> Result<Transaction> {
        let mut transaction = services.db.begin_for(turn_of, ActAs::System, intent).await?;
        self.take(&mut transaction).await?;
        transaction.mark().await?;
        Ok(transaction)
    }

    async fn take(&self, connection: &mut PgConnection) -> Result<()> {
        #[cfg(any(test, debug_assertions))]
        if !super::rehearsal::before_locks(connection).await {
            return Ok(());
        }
        if self.platform {
            AdvisoryLock::SysAdmins.take(&mut *connection).await?;
        }
        if !self.users.is_empty() {
            let users: Vec<_> = self.users.iter().copied().collect();
            sqlx::query!(
                "select id from users where id = any($1) order by id for no key update",
                &uuids(&users)
            )
            .fetch_all(&mut *connection)
            .await?;
        }
        let mandates: Vec<_> = self.mandates.iter().copied().collect();
        if !mandates.is_empty() || self.memberships_of.is_some() {
            sqlx::query!(
                "select id from mandates
                 where id = any($1) or id in (select mandate_id from memberships where user_id = $2)
                 order by id for no key update",
                &uuids(&mandates),
                self.memberships_of.map(UserId::uuid)
            )
            .fetch_all(&mut *connection)
            .await?;
        }
        if let Some(newcomer) = self.newcomer {
            sqlx::query!(
                "select id from users
                 where id = $1 and not exists (select 1 from memberships where user_id = $1
                     and mandate_id = any($2)) for no key update",
                newcomer.uuid(),
                &uuids(&mandates)
            )
            .fetch_optional(&mut *connection)
            .await?;
        }
        Ok(())
    }
}
