//! A transaction that changes access is a [`Change`]. It takes its locks first, in one order
//! everywhere: (1) the platform's advisory lock where a SysAdmin account or flag is touched, (2)
//! the accounts that it changes, by id, (3) the mandates concerned, by id, (4) the account of who
//! comes into a mandate. Only then does it read the caller's rights and decide. Whoever disables or
//! erases an account locks every mandate it belongs to; so what a mandate gives its own people
//! needs no lock but the mandate's, and a request that names strangers keeps none of them from
//! signing in. `FOR NO KEY UPDATE`, since foreign-key checks take KEY SHARE. The rules about last
//! admins and about raising oneself hold because of this order; the database's own recount
//! (migration 0008) is the second wall.
//!
//! Its context is at a time of its own, at which the locks are held: what is decided under them is
//! not decided by when the request came, and the trail tells of changes in the order in which they
//! were made.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::actor::Actor;
use super::audit::recorded::Recorded;
use super::audit::{self, Event};
use super::caller::Caller;
use super::instance::{InstanceContext, instance_context};
use super::load::{self, LiveSession};
use super::locks::Locks;
use super::mandate::{Authority, MandateContext};
use super::refusals::{for_sys_admins, unauthenticated};
use super::system::SystemContext;
use crate::kernel::db::{ActAs, Transaction};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InstanceId, MandateId, UserId};

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

impl<C: Actor> Change<C> {
    /// The connection with whoever acts on it, at the time of the locks.
    pub fn acting(&mut self) -> (&mut PgConnection, &C) {
        (&mut self.transaction, &self.context)
    }
    /// Writes its event into the trail of the mandate, as the tenant.
    pub async fn record(&mut self, event: Event) -> Result<Recorded> {
        audit::record(&mut self.transaction, &self.context, event).await
    }
    /// The same into the platform's trail, as the system.
    pub async fn record_platform(&mut self, event: Event) -> Result<Recorded> {
        audit::record_platform(&mut self.transaction, &self.context, event).await
    }
    /// The same into the platform's and into those of the mandates, as the system.
    pub async fn record_everywhere(
        &mut self,
        mandates: &[MandateId],
        event: Event,
    ) -> Result<Recorded> {
        audit::record_everywhere(&mut self.transaction, &self.context, mandates, event).await
    }
}

impl Change<MandateContext> {
    /// Goes on as the tenant.
    pub async fn as_tenant(&mut self) -> Result<()> {
        let act_as = self.context.tenant(None);
        self.transaction.act_as(act_as).await
    }
    /// Goes on as the system, to look at whom else it concerns.
    pub async fn as_system(&mut self) -> Result<()> {
        self.transaction.act_as(ActAs::System).await
    }
    /// One of the mandate's instances, as it stands under the locks; 404 where there is none.
    pub async fn instance(&mut self, instance: InstanceId) -> Result<InstanceContext> {
        let (user, mandate) = (self.context.caller.user, self.context.mandate);
        let found = load::instance(&mut *self.transaction, user, mandate, instance)
            .await?
            .ok_or_else(Error::not_found)?;
        Ok(instance_context(self.context.clone(), instance, found))
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
            Authority::SysAdmin if !caller.is_sys_admin => return Err(for_sys_admins()),
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
                // The caller may have lost the mandate between the guard and the locks.
                let access = loaded.and_then(|loaded| loaded.access).map(Arc::new);
                Authority::of_member(&caller, access)?
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
        let context = instance_context(mandate, self.instance, found);
        Ok(Change { transaction, context })
    }
}

impl SystemContext {
    /// Begins a change of accounts or mandates.
    pub async fn change(&self, locks: Locks) -> Result<Change<SystemContext>> {
        let mut transaction = locks.begin(&self.services, self.intent(), None).await?;
        let context = match &self.caller {
            Some(caller) => {
                let renewed = caller.renewed(&mut transaction).await?;
                if !renewed.is_sys_admin {
                    return Err(for_sys_admins());
                }
                Self::of(renewed)
            }
            None => self.anew(),
        };
        Ok(Change { transaction, context })
    }
}

impl Caller {
    /// Begins a change of the caller's own account.
    pub async fn change(&self, locks: Locks) -> Result<Change<Caller>> {
        let mut transaction = locks.begin(&self.services, self.intent(), None).await?;
        let context = self.renewed(&mut transaction).await?;
        Ok(Change { transaction, context })
    }

    async fn renewed(&self, connection: &mut PgConnection) -> Result<Self> {
        let renewed = self.anew();
        let live = self.alive(connection, renewed.now()).await?;
        Ok(Self { is_sys_admin: live.is_sys_admin, ..renewed })
    }

    /// The session as it stands in this transaction; 401 where it is over by then.
    pub(super) async fn alive(
        &self,
        connection: &mut PgConnection,
        now: DateTime<Utc>,
    ) -> Result<LiveSession> {
        let found = load::alive(connection, &[(self.session, self.user)], &[]).await?;
        let live = found.sessions.into_iter().map(|(_, live)| live).next();
        live.filter(|live| live.expires_at > now).ok_or_else(unauthenticated)
    }
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
