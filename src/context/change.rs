//! Transactions. Reading ones are refused writes by the database; writing ones end only with a
//! [`Recorded`] audit event, so a change without a trace does not compile.
//!
//! A transaction that changes access is a [`Change`]. It takes its locks first, in one order
//! everywhere: (1) the platform's advisory lock where a SysAdmin account or flag is touched, (2)
//! the accounts that it changes, by id, (3) the mandates concerned, by id, (4) the account of who
//! comes into a mandate. Only then does it read the caller's rights and decide. Whoever disables or
//! erases an account locks every mandate it belongs to; so what a mandate gives its own people
//! needs no lock but the mandate's, and a request that names strangers keeps none of them from
//! signing in. `FOR NO KEY UPDATE`, since foreign-key checks take KEY SHARE. The rules about last
//! admins and about raising oneself hold because of this order; the database's own recount
//! (migration 0008) is the second wall.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::PgConnection;

use super::audit::Recorded;
use super::load;
use super::{
    Actor, Authority, Caller, InstanceContext, MandateContext, Services, SystemContext, enter,
};
use crate::kernel::db::{ActAs, AdvisoryLock, Intent, Transaction};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{MandateId, UserId, uuids};

/// A transaction that reads.
#[derive(Debug)]
pub struct Reading(Transaction);

/// A transaction that writes, and ends with an audit event.
#[derive(Debug)]
pub struct Writing(pub(super) Transaction);

impl Reading {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self(transaction)
    }
    /// Ends it and gives the connection back clean.
    pub async fn finish(self) -> Result<()> {
        self.0.commit().await
    }
}

impl Writing {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self(transaction)
    }
    pub async fn commit(self, _: Recorded) -> Result<()> {
        self.0.commit().await
    }
}

macro_rules! is_a_connection {
    ($($name:ty),+) => {$(
        impl Deref for $name {
            type Target = PgConnection;
            fn deref(&self) -> &PgConnection {
                &self.0
            }
        }
        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut PgConnection {
                &mut self.0
            }
        }
    )+};
}
is_a_connection!(Reading, Writing);

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
    async fn begin(
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

/// A transaction that changes access: locked, with the caller's rights read after the locks. It
/// begins as the system, to look at whom it concerns, and goes on as the tenant.
#[derive(Debug)]
pub struct Change<C> {
    pub(super) transaction: Transaction,
    /// The context as it is now, under the locks. Grants come from this one.
    pub context: C,
}

impl<C> Deref for Change<C> {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}
impl<C> DerefMut for Change<C> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

impl<C> Change<C> {
    /// Runs the deferred checks now, so that what they refuse is known before anything is promised.
    pub async fn check(&mut self) -> Result<()> {
        self.transaction.check_constraints().await
    }
    pub async fn commit(self, _: Recorded) -> Result<()> {
        let transaction = self.transaction;
        #[cfg(any(test, debug_assertions))]
        let transaction = super::rehearsal::before_commit(transaction).await;
        transaction.commit().await
    }
}

impl Change<MandateContext> {
    /// Goes on as the tenant.
    pub async fn as_tenant(&mut self) -> Result<()> {
        let act_as = self.context.tenant(None);
        self.transaction.act_as(act_as).await
    }
}

impl Change<InstanceContext> {
    /// Goes on as the tenant.
    pub async fn as_tenant(&mut self) -> Result<()> {
        let act_as = self.context.mandate.tenant(Some(self.context.instance));
        self.transaction.act_as(act_as).await
    }
}

impl Change<SystemContext> {
    /// Goes on as the tenant of a mandate that it makes; from here row-level security shows only
    /// that one.
    pub async fn enter(&mut self, mandate: MandateId) -> Result<()> {
        let user = self.context.actor().unwrap_or(UserId::NOBODY);
        self.transaction.act_as(ActAs::Tenant { mandate, instance: None, user }).await
    }
}

impl MandateContext {
    /// Begins a change of access in this mandate.
    pub async fn change(&self, locks: Locks) -> Result<Change<MandateContext>> {
        let mut transaction = locks
            .and_mandate(self.mandate)
            .begin(&self.caller.services, self.caller.intent(), self.turn())
            .await?;
        let context = self.renewed(&mut transaction).await?;
        Ok(Change { transaction, context })
    }

    /// In whose turn a change waits for a connection: SysAdmins govern from outside.
    fn turn(&self) -> Option<MandateId> {
        (!self.is_sys_admin()).then_some(self.mandate)
    }

    async fn renewed(&self, connection: &mut PgConnection) -> Result<Self> {
        let caller = self.caller.renewed(connection).await?;
        let authority = match &self.authority {
            Authority::SysAdmin if !caller.is_sys_admin => return Err(enter::for_sys_admins()),
            Authority::SysAdmin if load::mandate_exists(&mut *connection, self.mandate).await? => {
                Authority::SysAdmin
            }
            Authority::SysAdmin => return Err(Error::not_found()),
            Authority::Suspended
                if load::is_suspended(&mut *connection, caller.user, self.mandate).await? =>
            {
                Authority::Suspended
            }
            Authority::Member(_) | Authority::Suspended => {
                let loaded = load::mandate_access(connection, caller.user, self.mandate).await?;
                let access = loaded.and_then(|loaded| loaded.access).ok_or_else(lost_meanwhile)?;
                Authority::Member(Arc::new(access))
            }
        };
        Ok(Self { caller, mandate: self.mandate, authority })
    }
}

impl InstanceContext {
    /// Begins a change of access in this instance.
    pub async fn change(&self, locks: Locks) -> Result<Change<InstanceContext>> {
        let caller = &self.mandate.caller;
        let mut transaction = locks
            .and_mandate(self.mandate.mandate)
            .begin(&caller.services, caller.intent(), self.mandate.turn())
            .await?;
        let mandate = self.mandate.renewed(&mut transaction).await?;
        let found =
            load::instance(&mut *transaction, mandate.caller.user, mandate.mandate, self.instance)
                .await?
                .ok_or_else(Error::not_found)?;
        let own = if mandate.is_sys_admin() { None } else { found.access.clone().map(Arc::new) };
        let context = enter::instance_context(mandate, self.instance, found, own);
        Ok(Change { transaction, context })
    }
}

impl SystemContext {
    /// Begins a change of accounts or mandates.
    pub async fn change(&self, locks: Locks) -> Result<Change<SystemContext>> {
        let mut transaction = locks.begin(&self.services, self.intent(), None).await?;
        let mut context = self.clone();
        if let Some(caller) = &self.caller {
            let renewed = caller.renewed(&mut transaction).await?;
            if !renewed.is_sys_admin {
                return Err(enter::for_sys_admins());
            }
            context.caller = Some(renewed);
        }
        Ok(Change { transaction, context })
    }
}

impl Caller {
    /// Begins a change of the caller's own account.
    pub async fn change(&self, locks: Locks) -> Result<Change<Caller>> {
        let mut transaction = self.services.db.begin(ActAs::System, self.intent()).await?;
        locks.take(&mut transaction).await?;
        let context = self.renewed(&mut transaction).await?;
        Ok(Change { transaction, context })
    }

    async fn renewed(&self, connection: &mut PgConnection) -> Result<Self> {
        let now = self.services.clock.now();
        let fresh = load::freshness(connection, self.session, self.user, None, now)
            .await?
            .ok_or_else(enter::unauthenticated)?;
        Ok(Self { is_sys_admin: fresh.is_sys_admin, ..self.clone() })
    }
}

/// The caller lost the mandate between the guard and the locks.
fn lost_meanwhile() -> Error {
    Error::new(Code::MandateAccessDenied, "The mandate is not open to you here.")
}

/// Repeats a whole transaction that lost against another one (serialization failure, deadlock),
/// three times at most.
pub async fn retrying<T, F, W>(work: F) -> Result<T>
where
    F: Fn() -> W,
    W: Future<Output = Result<T>>,
{
    for _ in 0..2 {
        match work().await {
            Err(error) if error.is_transient() => {
                tracing::debug!(cause = ?error.cause(), "repeating a transaction that lost a race");
            }
            outcome => return outcome,
        }
    }
    work().await
}
