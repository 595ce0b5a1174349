//! What contexts work with.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::cache::ContextCache;
use super::freshness::{Batches, Statement};
use super::load::{Fresh, Mandates, Question};
use super::moment::Moment;
use super::refusals::{
    not_in_their_place, password_change_required, step_up_required, unauthenticated,
};
use super::seen::Seen;
use super::terms::{GoodFor, StepUp};
use crate::kernel::clock::Clock;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::db::{Database, Reader, Whose, once};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, SessionId, UserId};

/// Whom a route lets in, of those whose sessions are alive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Door {
    pub good_for: GoodFor,
    /// Those who act as somebody else.
    pub lets_impersonate: bool,
    /// Who has to have shown who they are, and how long ago at most.
    pub step_up: (StepUp, Duration),
}

/// What contexts work with. Cheap to clone: every caller has one.
#[derive(Debug, Clone)]
pub struct Services(Arc<Parts>);

#[derive(Debug)]
pub struct Parts {
    pub(crate) db: Database,
    pub(crate) cache: ContextCache,
    /// Read by moments only: nobody else reads it, so nobody reads it twice.
    clock: Arc<dyn Clock>,
    freshness: Batches<Statement>,
    seen: Seen,
}

impl Deref for Services {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Services {
    #[must_use]
    pub fn new(db: Database, clock: Arc<dyn Clock>) -> Self {
        Self::with_cache(db, clock, ContextCache::default())
    }
    /// The same with a cache made elsewhere: [`ContextCache::off`] for a node that keeps nothing.
    #[must_use]
    pub fn with_cache(db: Database, clock: Arc<dyn Clock>, cache: ContextCache) -> Self {
        let (statement, seen) = (Statement::of(db.clone()), Seen::default());
        Self(Arc::new(Parts { db, clock, cache, freshness: Batches::of(statement), seen }))
    }
    /// The time of whatever begins now.
    pub(crate) fn moment(&self) -> Moment {
        Moment::of(self.clock.clone())
    }
    /// Whether the token's session is alive and lets in there, and the present epochs, for these
    /// mandates together.
    pub(super) async fn fresh(
        &self,
        claims: &Claims,
        (mandates, at): (Mandates, DateTime<Utc>),
        door: Door,
    ) -> Result<Fresh> {
        self.db.let_pass()?;
        let Claims { session, user, impersonated_by, .. } = *claims;
        let question = Question { session, user, mandates, at };
        let fresh = self.freshness.ask(question).await?;
        // What the token says of who acts, the row has to say, too.
        let fresh = fresh.filter(|fresh| fresh.impersonated_by == impersonated_by);
        let fresh = fresh.ok_or_else(unauthenticated)?;
        self.seen.note(session, at);
        if fresh.must_change_password && door.good_for == GoodFor::Anything {
            return Err(password_change_required());
        }
        if impersonated_by.is_some() && !door.lets_impersonate {
            return Err(not_in_their_place());
        }
        let (whose, most) = door.step_up;
        let is_asked = match whose {
            StepUp::Nobody => false,
            StepUp::SysAdmins => fresh.is_sys_admin,
            StepUp::Everybody => true,
        };
        if is_asked && at - claims.authenticated_at > most {
            return Err(step_up_required(most));
        }
        Ok(fresh)
    }
    /// Which sessions were used, and when, since this was asked last.
    pub(crate) fn take_seen(&self) -> HashMap<SessionId, DateTime<Utc>> {
        self.seen.take()
    }
    /// Runs work that belongs to no request, as long as the database is there.
    pub(crate) async fn attended<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.db.attended(work).await?
    }
    /// Whether the user was let into the mandate lately, as this node remembers it.
    pub(crate) fn lets_in(&self, user: UserId, mandate: MandateId) -> bool {
        self.cache.knows((user, mandate))
    }
    /// The readers, for one statement: in the mandate's turn where it is known to let the user in,
    /// else in the user's own.
    pub(super) async fn reader(
        &self,
        user: UserId,
        mandate: Option<MandateId>,
    ) -> Result<Reader<'_>> {
        let open = mandate.filter(|mandate| self.lets_in(user, *mandate));
        self.db.reader_for(open.map_or(Whose::User(user), Whose::Mandate)).await
    }
    /// What a user's request with this key was answered; 409 where it was another request.
    pub(crate) async fn known_answer(
        &self,
        user: UserId,
        key: &once::Key,
        now: DateTime<Utc>,
    ) -> Result<Option<once::Answer>> {
        once::known(&*self.db.reader_for(Whose::User(user)).await?, key, now).await
    }
}
