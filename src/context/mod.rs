//! From a request to somebody who may do something. A context is the only way to the database, and
//! this folder the only place that decides between 401, 403 and 404.
//!
//! - [`Caller`]: a signed-in user whose session was alive when the request came.
//! - [`SessionContext`]: the same with that session, for routes about it.
//! - [`MandateContext`]: a caller in one mandate, as a member or as a SysAdmin who governs it.
//! - [`InstanceContext`]: a mandate context with one of its feature instances.
//! - [`asking::Asking`]: a mandate context of somebody who asks what they, or others, may do.
//! - [`SystemContext`]: the platform itself; made only for SysAdmin routes, commands and jobs.
//! - [`Visitor`]: nobody yet, on the routes by which one signs in.
//!
//! [`enter`] makes them, [`grant`] turns them into leave to touch a table, which opens the rows
//! that it reaches ([`Sealed`]); where there is none to touch they give a proof ([`System`],
//! [`Account`] …). [`change`] into a transaction that may change access, [`judge`] (and
//! [`sharing`], for groups) decides whether it may be made, and [`preview`] (with [`reach`], for
//! groups) tells what it does without doing it. Whom an answer may name is decided in `naming`.

mod actor;
pub mod asking;
pub mod audit;
mod cache;
pub mod change;
mod companies;
mod effective;
pub mod enter;
mod entered;
mod find;
pub mod grant;
pub mod jobs;
pub mod judge;
mod load;
mod naming;
mod people;
pub mod policy;
pub mod preview;
mod proof;
pub mod reach;
#[cfg(any(test, debug_assertions))]
pub mod rehearsal;
mod sealed;
mod sharing;
pub mod standing;
mod visitor;

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::access::tables::{Access, Create, FeatureTable, Members, Op, Read, Table};
use crate::access::{Catalogue, HeldRole, Level, Merged, Operation};
use crate::kernel::clock::Clock;
use crate::kernel::db::{ActAs, Database, Intent, Reader, Whose, once};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InstanceId, MandateId, RoleId, SessionId, UserId};

pub use actor::Actor;
pub use audit::Recorded;
pub use cache::ContextCache;
pub use change::{Change, Locks, Reading, Writing};
pub use grant::Grant;
pub use load::{Epochs, OpenInstance};
pub use preview::{AccessPreview, Concerned, Outcome};
pub use proof::{Account, Furnished, SignedIn, System};
pub use sealed::{Opened, Sealed};
pub use sharing::{Regrouping, require_opens_nothing};
pub use visitor::Visitor;

use grant::Levels;

/// What contexts work with.
#[derive(Debug, Clone)]
pub struct Services {
    pub(crate) db: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: ContextCache,
}

impl Services {
    #[must_use]
    pub fn new(db: Database, clock: Arc<dyn Clock>) -> Self {
        Self::with_cache(db, clock, ContextCache::default())
    }
    /// The same with a cache made elsewhere: [`ContextCache::off`] for a node that keeps nothing.
    #[must_use]
    pub fn with_cache(db: Database, clock: Arc<dyn Clock>, cache: ContextCache) -> Self {
        Self { db, clock, cache }
    }
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
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
    async fn reader(&self, user: UserId, mandate: Option<MandateId>) -> Result<Reader<'_>> {
        let open = mandate.filter(|mandate| self.lets_in(user, *mandate));
        self.db.reader_for(open.map_or(Whose::User(user), Whose::Mandate)).await
    }
    /// What a user's request with this key was answered; 409 where it was another request.
    pub(crate) async fn known_answer(
        &self,
        user: UserId,
        key: &once::Key,
    ) -> Result<Option<once::Answer>> {
        once::known(&*self.db.reader_for(Whose::User(user)).await?, key, self.clock.now()).await
    }
}

/// What the audit trail notes of a request.
#[derive(Debug, Clone, Default)]
pub struct RequestMeta {
    pub request_id: Option<String>,
    pub address: Option<IpAddr>,
}

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Caller {
    user: UserId,
    /// Not for handlers: what they do must not hang on it, except where [`SessionContext`] says
    /// that it does.
    session: SessionId,
    is_sys_admin: bool,
    /// Asked with `?dryRun=true`: no transaction of this request commits.
    dry_run: bool,
    meta: RequestMeta,
    services: Services,
}

impl Caller {
    pub fn user(&self) -> UserId {
        self.user
    }
    pub fn is_sys_admin(&self) -> bool {
        self.is_sys_admin
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }

    /// A reading transaction over what belongs to the caller as a user of the platform: their
    /// account and sessions.
    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading::new(self.services.db.begin(ActAs::System, Intent::Read).await?))
    }
    /// A writing transaction over the same.
    pub async fn write(&self) -> Result<Writing> {
        Ok(Writing::new(self.services.db.begin(ActAs::System, self.intent()).await?))
    }

    /// The same in a dry run too: for events of what was tried.
    pub(crate) async fn write_in_earnest(&self) -> Result<Writing> {
        Ok(Writing::new(self.services.db.begin(ActAs::System, Intent::Write).await?))
    }
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    fn intent(&self) -> Intent {
        if self.dry_run { Intent::DryRun } else { Intent::Write }
    }
}

/// A caller and the session that they called in, on routes that are about it. On these the session
/// is part of what an `Idempotency-Key` is kept by: another session's repetition is another
/// request.
#[derive(Debug, Clone)]
pub struct SessionContext {
    caller: Caller,
}

impl SessionContext {
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
    pub fn session(&self) -> SessionId {
        self.caller.session
    }
}

/// A member's merged access in a mandate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MandateAccess {
    pub roles: Vec<HeldRole>,
    pub merged: Merged,
    /// Holds the protected role `admin`.
    pub is_admin: bool,
}

impl MandateAccess {
    fn of(roles: Vec<HeldRole>) -> Self {
        let merged = Merged::of(roles.iter().map(|role| &role.permissions), &Catalogue::mandate());
        Self { is_admin: roles.iter().any(|role| role.protected), merged, roles }
    }
}

/// A user's merged access in a feature instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAccess {
    pub instance: InstanceId,
    pub feature_code: String,
    pub roles: Vec<HeldRole>,
    pub merged: Merged,
}

impl InstanceAccess {
    fn of(
        instance: InstanceId,
        feature_code: String,
        roles: Vec<HeldRole>,
        catalogue: &Catalogue,
    ) -> Self {
        let merged = Merged::of(roles.iter().map(|role| &role.permissions), catalogue);
        Self { instance, feature_code, roles, merged }
    }
}

/// By what right the caller is in a mandate.
#[derive(Debug, Clone)]
enum Authority {
    /// Governs it from outside, on the routes that allow it; sees no data of features.
    SysAdmin,
    Member(Arc<MandateAccess>),
    /// A member whose membership is disabled: on the route by which they leave, with no access at
    /// all.
    Suspended,
}

/// A caller in one mandate.
#[derive(Debug, Clone)]
pub struct MandateContext {
    caller: Caller,
    mandate: MandateId,
    authority: Authority,
}

impl MandateContext {
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
    pub fn mandate(&self) -> MandateId {
        self.mandate
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.caller.now()
    }
    /// Whether the caller acts as a SysAdmin here, not as a member.
    pub fn is_sys_admin(&self) -> bool {
        matches!(self.authority, Authority::SysAdmin)
    }
    /// Whether the caller's membership is disabled, so that all they may do is leave.
    pub fn is_suspended(&self) -> bool {
        matches!(self.authority, Authority::Suspended)
    }
    /// Whether the caller holds the protected role `admin` here.
    pub fn is_admin(&self) -> bool {
        self.access().is_some_and(|access| access.is_admin)
    }
    /// Whether the caller can only give what is within their own access.
    pub fn is_delegate(&self) -> bool {
        !self.is_sys_admin() && !self.is_admin()
    }
    /// The caller's access as a member; a SysAdmin has none, nor has whose membership is disabled.
    pub fn access(&self) -> Option<&MandateAccess> {
        match &self.authority {
            Authority::SysAdmin | Authority::Suspended => None,
            Authority::Member(access) => Some(access),
        }
    }

    fn levels(&self, table: &str, operation: Operation) -> Levels {
        match &self.authority {
            Authority::SysAdmin => Levels::ALL,
            Authority::Suspended => Levels { operation: Level::None, read: Level::None },
            Authority::Member(access) => Levels {
                operation: access.merged.level(table, operation),
                read: access.merged.level(table, Operation::Read),
            },
        }
    }

    /// Leave to do `O` on the mandate table `T`; 403 where the caller's level is `n`.
    pub fn grant<T: Table, O: Op>(&self) -> Result<Grant<T, O>> {
        Grant::decide(self.mandate, None, self.caller.user, self.levels(T::NAME, O::OPERATION))
    }

    /// Leave over the caller's own membership, which needs no permission: leaving.
    pub fn grant_over_oneself<T: Table, O: Op>(&self) -> Result<Grant<T, O>> {
        let own = Levels { operation: Level::My, read: Level::My };
        Grant::decide(
            self.mandate,
            None,
            self.caller.user,
            self.levels(T::NAME, O::OPERATION).max(own),
        )
    }

    /// Leave to admit the creator to an instance that this very transaction makes.
    pub fn grant_over_new_instance(&self, instance: InstanceId) -> Result<Grant<Access, Create>> {
        let levels = if self.is_admin() {
            Levels::ALL
        } else {
            Levels { operation: Level::None, read: Level::None }
        };
        Grant::decide(self.mandate, Some(instance), self.caller.user, levels)
    }

    /// A member's own access here, alive or `None`; for whoever may read that member.
    pub async fn access_of(
        &self,
        _: &Grant<Members, Read>,
        member: UserId,
    ) -> Result<Option<MandateAccess>> {
        let loaded = load::mandate_access(&*self.reader().await?, member, self.mandate).await?;
        Ok(loaded.and_then(|loaded| loaded.access))
    }
    /// The same in an instance of this mandate, with the tables and views that it knows; `None`: no
    /// such instance.
    pub async fn instance_access_of(
        &self,
        _: &Grant<Members, Read>,
        member: UserId,
        instance: InstanceId,
    ) -> Result<Option<(Catalogue, Option<InstanceAccess>)>> {
        let found = load::instance(&*self.reader().await?, member, self.mandate, instance).await?;
        Ok(found.map(|found| (found.catalogue, found.access)))
    }
    async fn reader(&self) -> Result<Reader<'_>> {
        self.caller.services.db.reader_for(Whose::Mandate(self.mandate)).await
    }
    /// The platform, where the caller is in this mandate as a SysAdmin.
    pub fn as_system(&self) -> Option<SystemContext> {
        self.is_sys_admin().then(|| SystemContext::of(self.caller.clone()))
    }

    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading::new(self.caller.services.db.begin(self.tenant(None), Intent::Read).await?))
    }
    pub async fn write(&self) -> Result<Writing> {
        Ok(Writing::new(
            self.caller.services.db.begin(self.tenant(None), self.caller.intent()).await?,
        ))
    }

    fn tenant(&self, instance: Option<InstanceId>) -> ActAs {
        ActAs::Tenant { mandate: self.mandate, instance, user: self.caller.user }
    }
}

/// A mandate context with one of the mandate's feature instances, named by the path or by
/// `X-Instance-Id`.
#[derive(Debug, Clone)]
pub struct InstanceContext {
    mandate: MandateContext,
    instance: InstanceId,
    feature_code: String,
    catalogue: Catalogue,
    needed: Level,
    access: Option<Arc<InstanceAccess>>,
}

impl InstanceContext {
    pub fn mandate(&self) -> &MandateContext {
        &self.mandate
    }
    pub fn instance(&self) -> InstanceId {
        self.instance
    }
    pub fn feature_code(&self) -> &str {
        &self.feature_code
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.mandate.now()
    }
    /// The tables and views that roles of this instance can speak of.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
    /// The caller's own access in the instance, where they were admitted.
    pub fn access(&self) -> Option<&InstanceAccess> {
        self.access.as_deref()
    }

    fn own(&self, table: &str, operation: Operation) -> Levels {
        let level = |operation| {
            self.access.as_ref().map_or(Level::None, |access| access.merged.level(table, operation))
        };
        Levels { operation: level(operation), read: level(Operation::Read) }
    }

    /// Leave to do `O` on a table of the instance's feature, by the caller's own access in it.
    pub fn grant<T: FeatureTable, O: Op>(&self) -> Result<Grant<T, O>> {
        if T::FEATURE != self.feature_code {
            return Err(Error::internal(format!(
                "a grant for `{}` was asked of an instance of `{}`",
                T::NAME,
                self.feature_code
            )));
        }
        Grant::decide(
            self.mandate.mandate,
            Some(self.instance),
            self.mandate.caller.user,
            self.own(T::NAME, O::OPERATION),
        )
    }

    /// Leave over the instance's own row, by the mandate table `instances`.
    pub fn grant_row<T: Table, O: Op>(&self) -> Result<Grant<T, O>> {
        let grant = Grant::decide(
            self.mandate.mandate,
            Some(self.instance),
            self.mandate.caller.user,
            self.mandate.levels(T::NAME, O::OPERATION),
        )?;
        grant.admit(self.needed)?;
        Ok(grant)
    }

    /// Leave over the instance's table `T`: by the mandate table `V` where it reaches the
    /// instance's row (then over all of it), or by the caller's own access in the instance.
    pub fn grant_by_row<T: Table, O: Op>(
        &self,
        through: &str,
        through_operation: Operation,
    ) -> Result<Grant<T, O>> {
        let mandate = self.mandate.levels(through, through_operation);
        let reached = |level: Level| if level >= self.needed { Level::All } else { Level::None };
        let by_row = Levels { operation: reached(mandate.operation), read: reached(mandate.read) };
        let levels = by_row.max(self.own(T::NAME, O::OPERATION));
        if levels.operation == Level::None && mandate.operation > Level::None {
            // Some instances are reached, this one is not: as if it were not there, unless its row
            // may be seen.
            let seen = self.mandate.levels(through, Operation::Read).read >= self.needed;
            return Err(if seen {
                grant::permission_denied(through, through_operation, self.needed)
            } else {
                Error::not_found()
            });
        }
        Grant::decide(self.mandate.mandate, Some(self.instance), self.mandate.caller.user, levels)
    }

    /// Leave over the instance's table `T` by the same level of the mandate table `through`, or by
    /// the caller's own access.
    pub fn grant_by_level<T: Table, O: Op>(&self, through: &str) -> Result<Grant<T, O>> {
        let levels =
            self.mandate.levels(through, O::OPERATION).max(self.own(T::NAME, O::OPERATION));
        Grant::decide(self.mandate.mandate, Some(self.instance), self.mandate.caller.user, levels)
    }

    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading::new(
            self.mandate
                .caller
                .services
                .db
                .begin(self.mandate.tenant(Some(self.instance)), Intent::Read)
                .await?,
        ))
    }
    pub async fn write(&self) -> Result<Writing> {
        let act_as = self.mandate.tenant(Some(self.instance));
        Ok(Writing::new(
            self.mandate.caller.services.db.begin(act_as, self.mandate.caller.intent()).await?,
        ))
    }
}

/// A role that the path names, with the context to which it belongs.
#[derive(Debug, Clone)]
pub enum RoleContext {
    Template(SystemContext, RoleId),
    Mandate(MandateContext, RoleId),
    Instance(InstanceContext, RoleId),
}

/// The platform itself.
#[derive(Debug, Clone)]
pub struct SystemContext {
    caller: Option<Caller>,
    meta: RequestMeta,
    services: Services,
}

impl SystemContext {
    /// For commands and jobs: nobody is signed in.
    #[must_use]
    pub fn unattended(services: Services, meta: RequestMeta) -> Self {
        Self { caller: None, meta, services }
    }
    fn of(caller: Caller) -> Self {
        Self { meta: caller.meta.clone(), services: caller.services.clone(), caller: Some(caller) }
    }
    /// The SysAdmin, on SysAdmin routes.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }
    pub fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }
    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading::new(self.services.db.begin(ActAs::System, Intent::Read).await?))
    }
    pub async fn write(&self) -> Result<Writing> {
        Ok(Writing::new(self.services.db.begin(ActAs::System, self.intent()).await?))
    }

    fn intent(&self) -> Intent {
        self.caller.as_ref().map_or(Intent::Write, Caller::intent)
    }
}
