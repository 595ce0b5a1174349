//! Where a request becomes a context, or is refused: the one place that decides who may come in.
//!
//! The order is fixed: 401 (who are you), 400 (context headers), then 403 `mandate_access_denied`
//! (is this mandate open to you), then 403 `permission_denied` (is the operation open to you at
//! all), all before any object is looked up.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::HeaderMap;

use super::asking::Asking;
use super::cache::CachedInstance;
use super::find;
use super::load::{self, Epochs, FoundInstance, RoleHome};
use super::policy::{Clause, Policy};
use super::{
    Authority, Caller, InstanceAccess, InstanceContext, MandateAccess, MandateContext, RequestMeta,
    RoleContext, Services, SessionContext, SystemContext, grant,
};
use crate::access::Level;
use crate::access::tables::least_level;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::db::{ActAs, Intent, Reader};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InstanceId, MandateId, RoleId, UserId};

pub use super::entered::{Accounts, DeferredCaller, Entered, Reach};

/// A request, as far as deciding needs it.
#[derive(Debug)]
pub struct Arrival<'a> {
    pub claims: Option<Claims>,
    pub headers: &'a HeaderMap,
    pub path: &'a HashMap<String, String>,
    pub dry_run: bool,
    pub meta: RequestMeta,
}

/// The one answer to no or bad credentials.
pub(crate) fn unauthenticated() -> Error {
    Error::new(Code::Unauthenticated, "This needs a valid access token.")
}

pub(crate) fn mandate_access_denied() -> Error {
    Error::new(Code::MandateAccessDenied, "The mandate is not open to you here.")
}

pub(crate) fn for_sys_admins() -> Error {
    Error::new(Code::PermissionDenied, "This is for SysAdmins.").with("needed", "sysAdmin")
}

fn instance_access_denied() -> Error {
    Error::new(Code::InstanceAccessDenied, "The feature instance is not open to you here.")
}

/// Lets a request in, or refuses it.
pub async fn enter(services: &Services, policy: &Policy, arrival: Arrival<'_>) -> Result<Entered> {
    if policy.is_public() {
        return Ok(Entered::Anonymous);
    }
    let claims = arrival.claims.ok_or_else(unauthenticated)?;
    let headers = ContextHeaders::parse(arrival.headers)?;
    if policy.deferred {
        return Ok(Entered::Deferred(DeferredCaller { claims, services: services.clone() }));
    }
    let now = services.clock.now();
    let fresh = load::freshness(
        &*services.reader(claims.user, headers.mandate).await?,
        claims.session,
        claims.user,
        headers.mandate,
        now,
    )
    .await?
    .ok_or_else(unauthenticated)?;
    let caller = Caller {
        user: claims.user,
        session: claims.session,
        is_sys_admin: fresh.is_sys_admin,
        dry_run: arrival.dry_run,
        meta: arrival.meta,
        services: services.clone(),
    };
    Entrance { services, policy, headers, path: arrival.path, caller, epochs: fresh.epochs }
        .decide()
        .await
}

/// The context headers, well-formed and at most once each.
#[derive(Debug, Clone, Copy)]
struct ContextHeaders {
    mandate: Option<MandateId>,
    instance: Option<InstanceId>,
}

impl ContextHeaders {
    fn parse(headers: &HeaderMap) -> Result<Self> {
        Ok(Self {
            mandate: one_id(headers, "x-mandate-id")?,
            instance: one_id(headers, "x-instance-id")?,
        })
    }
}

fn one_id<T: std::str::FromStr>(headers: &HeaderMap, name: &'static str) -> Result<Option<T>> {
    let refused =
        |what: &str| Error::new(Code::InvalidHeader, format!("The header {name} {what}."));
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("must be sent once"));
    }
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| refused("must be a UUID"))
}

struct Entrance<'a> {
    services: &'a Services,
    policy: &'a Policy,
    headers: ContextHeaders,
    path: &'a HashMap<String, String>,
    caller: Caller,
    epochs: Epochs,
}

impl Entrance<'_> {
    async fn decide(self) -> Result<Entered> {
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

    /// A signed-in user; with the contexts that the headers name, where the route looks at them.
    async fn user(self) -> Result<Entered> {
        if self.policy.own_session {
            return Ok(Entered::Session(SessionContext { caller: self.caller }));
        }
        if self.policy.asks {
            let mandate = self.member().await?;
            return self.asking(mandate).await.map(Entered::Asking);
        }
        if !self.policy.context || self.headers.mandate.is_none() {
            if self.policy.context && self.headers.instance.is_some() {
                return Err(Error::new(
                    Code::MandateContextMissing,
                    "X-Instance-Id needs X-Mandate-Id beside it.",
                ));
            }
            return Ok(Entered::User(self.caller, None, None));
        }
        let mandate = self.member().await?;
        let instance = match self.headers.instance {
            Some(id) => Some(self.instance_in_header(&mandate, id).await?),
            None => None,
        };
        Ok(Entered::User(self.caller, Some(mandate), instance))
    }

    /// A SysAdmin, on a route that is theirs: the object in the path names the mandate, and a
    /// header that is sent must agree. Where the path names none it is every mandate; a header that
    /// is sent says which one, and selects no roles.
    async fn sys_admin(self) -> Result<Entered> {
        let governs_mandate =
            self.policy.clauses.iter().any(|clause| matches!(clause, Clause::Table { .. }));
        if let Some(mandate) = self.path_id::<MandateId>("mandateId")? {
            self.header_agrees(mandate)?;
            if !governs_mandate {
                return Ok(Entered::System(SystemContext::of(self.caller)));
            }
            if !load::mandate_exists(&*self.reader().await?, mandate).await? {
                return Err(Error::not_found());
            }
            return Ok(Entered::Mandate(MandateContext {
                caller: self.caller,
                mandate,
                authority: Authority::SysAdmin,
            }));
        }
        let Some(instance) = self.path_id::<InstanceId>("instanceId")? else {
            let system = SystemContext::of(self.caller);
            return Ok(if governs_mandate {
                Entered::Everywhere(system, self.headers.mandate)
            } else {
                Entered::System(system)
            });
        };
        let mandate = load::mandate_of_instance(&*self.reader().await?, instance)
            .await?
            .ok_or_else(Error::not_found)?;
        self.header_agrees(mandate)?;
        let found = load::instance(&*self.reader().await?, self.caller.user, mandate, instance)
            .await?
            .ok_or_else(Error::not_found)?;
        let context =
            MandateContext { caller: self.caller, mandate, authority: Authority::SysAdmin };
        // As a SysAdmin: the flag opens no data, and roles held as a member do not count here.
        Ok(Entered::Instance(instance_context(context, instance, found, None)))
    }

    fn header_agrees(&self, mandate: MandateId) -> Result<()> {
        match self.headers.mandate {
            Some(sent) if sent != mandate => Err(mandate_access_denied()),
            _ => Ok(()),
        }
    }

    /// Routes for SysAdmins and for oneself, such as a user's account.
    fn without_table(self) -> Result<Entered> {
        if self.is_oneself()? {
            return Ok(Entered::User(self.caller, None, None));
        }
        Err(for_sys_admins())
    }

    fn is_oneself(&self) -> Result<bool> {
        if !self.policy.has(Clause::Oneself) {
            return Ok(false);
        }
        Ok(self.path_id::<UserId>("userId")? == Some(self.caller.user))
    }

    /// The caller as a member of the mandate that the header names; the path, where it names one,
    /// must agree.
    async fn member(&self) -> Result<MandateContext> {
        let mandate = self.named_mandate()?;
        let access = self.mandate_access(mandate).await?.ok_or_else(mandate_access_denied)?;
        Ok(MandateContext {
            caller: self.caller.clone(),
            mandate,
            authority: Authority::Member(access),
        })
    }

    /// The same; where the route is about the caller's own membership, also while that is disabled:
    /// then with no access at all.
    async fn member_or_suspended(&self) -> Result<MandateContext> {
        let refused = match self.member().await {
            Err(refused)
                if refused.code() == Code::MandateAccessDenied
                    && matches!(self.is_oneself(), Ok(true)) =>
            {
                refused
            }
            entered => return entered,
        };
        let mandate = self.named_mandate()?;
        if !load::is_suspended(&*self.reader().await?, self.caller.user, mandate).await? {
            return Err(refused);
        }
        Ok(MandateContext { caller: self.caller.clone(), mandate, authority: Authority::Suspended })
    }

    fn named_mandate(&self) -> Result<MandateId> {
        let mandate = self.headers.mandate.ok_or_else(|| {
            Error::new(
                Code::MandateContextMissing,
                "The header X-Mandate-Id must say which mandate the request is for.",
            )
        })?;
        if let Some(named) = self.path_id::<MandateId>("mandateId")?
            && named != mandate
        {
            return Err(mandate_access_denied());
        }
        Ok(mandate)
    }

    async fn mandate_access(&self, mandate: MandateId) -> Result<Option<Arc<MandateAccess>>> {
        let key = (self.caller.user, mandate);
        if let Some(cached) = self.services.cache.mandate(key, self.epochs) {
            return Ok(cached);
        }
        let Some(loaded) =
            load::mandate_access(&*self.reader().await?, self.caller.user, mandate).await?
        else {
            return Ok(None);
        };
        let access = loaded.access.map(Arc::new);
        if loaded.first_use && self.caller.dry_run {
            // To note it would change something; not kept either, so that the next request notes
            // it.
            return Ok(access);
        }
        self.services.cache.keep_mandate(key, loaded.epochs, access.clone());
        if loaded.first_use {
            self.note_first_use(mandate).await?;
        }
        Ok(access)
    }

    /// For one statement.
    async fn reader(&self) -> Result<Reader<'_>> {
        self.services.reader(self.caller.user, self.headers.mandate).await
    }

    /// From now on colleagues see more of this member than the username.
    async fn note_first_use(&self, mandate: MandateId) -> Result<()> {
        let mut transaction = self.services.db.begin(ActAs::System, Intent::Write).await?;
        sqlx::query!(
            "update memberships set first_used_at = $3 where mandate_id = $1 and user_id = $2
               and first_used_at is null",
            mandate.uuid(),
            self.caller.user.uuid(),
            self.services.clock.now()
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    fn some_table_is_open(&self, context: &MandateContext, own: Option<&InstanceAccess>) -> bool {
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
    fn denied(&self) -> Error {
        let named = self.policy.clauses.iter().find_map(|clause| match clause {
            Clause::Table { table, operation, .. } => {
                Some(grant::permission_denied(table, *operation, least_level(table, *operation)))
            }
            _ => None,
        });
        named.unwrap_or_else(mandate_access_denied)
    }

    async fn asking(&self, mandate: MandateContext) -> Result<Asking> {
        let instance = match self.headers.instance {
            Some(id) => Some(self.instance_in_header(&mandate, id).await?),
            None => None,
        };
        Ok(Asking { mandate, instance, epochs: self.epochs })
    }

    /// The instance of a built-in feature that the header names, or the only one that is open to
    /// the caller.
    async fn in_feature(&self, context: &MandateContext, feature: &str) -> Result<InstanceContext> {
        let instance = if let Some(named) = self.headers.instance {
            named
        } else {
            let open = find::open_instances(
                self.services,
                (self.caller.user, context.mandate),
                self.epochs,
            )
            .await?;
            find::sole(&open, |open| open.feature_code == feature)?
        };
        let entered = self.instance_in_header(context, instance).await?;
        if entered.feature_code != feature {
            return Err(instance_access_denied());
        }
        if self.some_table_is_open(context, entered.access()) {
            Ok(entered)
        } else {
            Err(self.denied())
        }
    }

    async fn instance_in_path(&self, context: MandateContext) -> Result<InstanceContext> {
        let instance = self.path_id::<InstanceId>("instanceId")?.ok_or_else(Error::not_found)?;
        let found =
            load::instance(&*self.reader().await?, self.caller.user, context.mandate, instance)
                .await?;
        let own = found.as_ref().and_then(|found| found.access.clone()).map(Arc::new);
        if !self.some_table_is_open(&context, own.as_deref()) {
            return Err(self.denied());
        }
        let found = found.ok_or_else(Error::not_found)?;
        Ok(instance_context(context, instance, found, own))
    }

    async fn instance_in_header(
        &self,
        context: &MandateContext,
        instance: InstanceId,
    ) -> Result<InstanceContext> {
        let found = find::instance(
            self.services,
            (self.caller.user, context.mandate),
            instance,
            self.epochs,
        )
        .await?;
        let CachedInstance { found, access } = found.ok_or_else(instance_access_denied)?;
        let access = access.ok_or_else(instance_access_denied)?;
        Ok(instance_context(context.clone(), instance, found, Some(access)))
    }

    /// A role by its id: templates for SysAdmins, else a role of the header's mandate or of one of
    /// its instances.
    async fn role(self) -> Result<RoleContext> {
        let role = self.path_id::<RoleId>("roleId")?.ok_or_else(Error::not_found)?;
        let home = load::role_home(&*self.reader().await?, role, self.headers.mandate).await?;
        if self.caller.is_sys_admin && self.policy.has(Clause::SysTemplates) {
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
        let own = instance.as_ref().and_then(|(_, found)| found.access.clone()).map(Arc::new);
        if !self.some_table_is_open(&context, own.as_deref()) {
            return Err(self.denied());
        }
        match (home, instance) {
            (Some(RoleHome::Mandate), _) => Ok(RoleContext::Mandate(context, role)),
            (Some(RoleHome::Instance(_)), Some((id, found))) => {
                Ok(RoleContext::Instance(instance_context(context, id, found, own), role))
            }
            _ => Err(Error::not_found()),
        }
    }

    fn path_id<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.path.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Error::new(Code::InvalidParameter, format!("`{name}` in the path must be a UUID."))
        })
    }
}

pub(super) fn instance_context(
    mandate: MandateContext,
    instance: InstanceId,
    found: FoundInstance,
    access: Option<Arc<InstanceAccess>>,
) -> InstanceContext {
    InstanceContext {
        mandate,
        instance,
        feature_code: found.feature_code,
        catalogue: found.catalogue,
        needed: found.needed,
        access,
    }
}
