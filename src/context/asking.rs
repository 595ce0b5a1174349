//! Asking what somebody may do. A [`Subject`] is the person whom questions are about: oneself, or a
//! member whom the caller may read. What they may do is loaded by what guards load it with, and
//! merged by what guards merge it with.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use super::caller::Caller;
use super::find;
use super::grant::Grant;
use super::instance::{InstanceContext, instance_context};
use super::load::{self, Epochs, FoundInstance, OpenInstance};
use super::mandate::{Authority, MandateContext};
use super::member::ReadMember;
use super::merged_access::{InstanceAccess, MandateAccess};
use super::services::Services;
use super::standing::{self, Standing};
use crate::access::decision::{self, Target, Verdict};
use crate::access::tables::{INSTANCE_TABLES, InstanceRoles, Instances, Read, Roles, Table};
use crate::access::{Catalogue, HeldRole, Level, Merged, Operation};
use crate::kernel::db::{Reader, Whose};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InstanceId, MandateId, UserId, uuids};

/// A caller who asks what somebody may do in a mandate, and, where the header names one, in an
/// instance.
#[derive(Debug, Clone)]
pub struct Asking {
    pub(super) mandate: MandateContext,
    pub(super) instance: Option<InstanceContext>,
    pub(super) epochs: Epochs,
}

/// Where a table, or a view, is: in the mandate, or in one of its instances; with the access of
/// whoever was asked about.
#[derive(Debug, Clone)]
pub struct AskedScope {
    pub instance: Option<InstanceId>,
    pub catalogue: Arc<Catalogue>,
    access: Held,
}

#[derive(Debug, Clone)]
enum Held {
    Nothing,
    InMandate(Arc<MandateAccess>),
    InInstance(Arc<InstanceAccess>),
}

impl AskedScope {
    /// The roles that count here.
    pub fn roles(&self) -> &[HeldRole] {
        match &self.access {
            Held::Nothing => &[],
            Held::InMandate(access) => &access.roles,
            Held::InInstance(access) => &access.roles,
        }
    }
    fn merged(&self) -> Option<&Merged> {
        match &self.access {
            Held::Nothing => None,
            Held::InMandate(access) => Some(&access.merged),
            Held::InInstance(access) => Some(&access.merged),
        }
    }
    /// The merged level, as a guard would find it.
    pub fn level(&self, target: Target<'_>) -> Level {
        self.merged().map_or(Level::None, |merged| target.level(merged))
    }
    /// Whether anything at all counts here: a membership, or an admission, that is alive.
    pub fn is_alive(&self) -> bool {
        !matches!(self.access, Held::Nothing)
    }
}

/// Whom questions are about.
#[derive(Debug)]
pub struct Subject {
    user: UserId,
    mandate: MandateId,
    services: Services,
    /// `None`: not a member, or something on the way is disabled.
    access: Option<Arc<MandateAccess>>,
    /// The instance that the header names.
    named: Option<InstanceId>,
    /// For oneself, under which what was found may be kept.
    epochs: Option<Epochs>,
    /// A caller who does not read every instance, and is not to learn which ones others work in.
    hidden_from: Option<UserId>,
    open: Option<Arc<Vec<OpenInstance>>>,
    known: HashMap<InstanceId, AskedScope>,
}

fn mandate_catalogue() -> Arc<Catalogue> {
    static MANDATE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::mandate()));
    MANDATE.clone()
}

/// What became of looking for a table or a view.
#[derive(Debug)]
pub enum Located {
    Here(AskedScope),
    /// No scope that was looked at knows it.
    Unknown,
}

fn is_of_every_instance(target: Target<'_>) -> bool {
    matches!(target, Target::Rows(table, _) if INSTANCE_TABLES.contains(&table))
}

/// Whether the instance's feature has it, or every instance does.
fn is_known_to(instance: &OpenInstance, target: Target<'_>) -> bool {
    let has = |names: &[String], name: &str| names.iter().any(|own| own == name);
    is_of_every_instance(target)
        || match target {
            Target::Rows(table, _) => has(&instance.tables, table),
            Target::View(view) => has(&instance.views, view),
        }
}

impl Asking {
    pub fn context(&self) -> &MandateContext {
        &self.mandate
    }

    /// Whether the caller may know of this instance: it is open to them, or their level of
    /// `instances` reaches it.
    pub async fn may_know_of(&self, instance: InstanceId) -> Result<bool> {
        let Some(found) = self.found(instance).await? else { return Ok(false) };
        let reads = self.mandate.levels(Instances::NAME, Operation::Read).operation;
        if !reads.is_group() || found.needed == Level::My {
            return Ok(found.access.is_some() || reads >= found.needed);
        }
        // Whose instance it is by way of groups hangs on others too, whom the caller's epochs say
        // nothing of.
        let (user, mandate) = (self.mandate.caller.user, self.mandate.mandate);
        let found = load::instance(&*self.mandate.reader().await?, user, mandate, instance).await?;
        Ok(found.is_some_and(|found| reads >= found.needed))
    }

    /// An instance of the mandate as it is kept of the caller.
    async fn found(&self, instance: InstanceId) -> Result<Option<FoundInstance>> {
        let Caller { user, services, .. } = &self.mandate.caller;
        find::instance(services, (*user, self.mandate.mandate), instance, self.epochs).await
    }

    /// The caller in an instance of the mandate, admitted or not: for asking which of its roles
    /// they may read. As far away from it as may be, unless it is their own: what is kept does not
    /// tell who is near.
    pub async fn in_instance(&self, instance: InstanceId) -> Result<InstanceContext> {
        let mut found = self.found(instance).await?.ok_or_else(Error::not_found)?;
        if found.needed != Level::My {
            found.needed = Level::All;
        }
        Ok(instance_context(self.mandate.clone(), instance, found))
    }

    /// All of the mandate's own roles, for whoever reads all of them.
    pub async fn roles(&self, grant: &Grant<Roles, Read>) -> Result<Option<Arc<Vec<HeldRole>>>> {
        self.roles_of(None, grant.level()).await
    }

    /// The same of an instance.
    pub async fn instance_roles(
        &self,
        grant: &Grant<InstanceRoles, Read>,
    ) -> Result<Option<Arc<Vec<HeldRole>>>> {
        self.roles_of(grant.instance(), grant.level()).await
    }

    async fn roles_of(
        &self,
        instance: Option<InstanceId>,
        level: Level,
    ) -> Result<Option<Arc<Vec<HeldRole>>>> {
        if level < Level::All {
            return Ok(None);
        }
        let Caller { user, services, .. } = &self.mandate.caller;
        let place = (*user, self.mandate.mandate);
        find::roles(services, place, instance, self.epochs).await.map(Some)
    }

    /// The caller.
    pub fn oneself(&self) -> Subject {
        let access = match &self.mandate.authority {
            Authority::Member(access) => Some(access.clone()),
            Authority::SysAdmin | Authority::Suspended => None,
        };
        self.subject(self.mandate.caller.user, access, Some(self.epochs))
    }

    /// A member whom the caller may read.
    pub fn member(&self, member: &ReadMember) -> Subject {
        let reads_all =
            self.mandate.levels(Instances::NAME, Operation::Read).operation == Level::All;
        let hidden_from = (!reads_all).then_some(self.mandate.caller.user);
        Subject { hidden_from, ..self.subject(member.user, member.access.clone(), None) }
    }

    fn subject(
        &self,
        user: UserId,
        access: Option<Arc<MandateAccess>>,
        epochs: Option<Epochs>,
    ) -> Subject {
        Subject {
            user,
            mandate: self.mandate.mandate,
            services: self.mandate.caller.services.clone(),
            access,
            named: self.instance.as_ref().map(InstanceContext::instance),
            epochs,
            hidden_from: None,
            open: None,
            known: HashMap::new(),
        }
    }
}

impl MandateContext {
    /// The caller in an instance of the mandate, admitted or not: for asking which of its roles
    /// they may read.
    pub async fn in_instance(&self, instance: InstanceId) -> Result<InstanceContext> {
        let found =
            load::instance(&*self.reader().await?, self.caller.user, self.mandate, instance)
                .await?
                .ok_or_else(Error::not_found)?;
        Ok(instance_context(self.clone(), instance, found))
    }
}

impl Subject {
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Looks in this instance for tables of features, whatever the header names; 404 where the
    /// mandate has no such instance.
    pub async fn in_instance(mut self, instance: InstanceId) -> Result<Self> {
        self.instance(instance).await?;
        self.named = Some(instance);
        Ok(self)
    }

    /// Where a table or a view is. One of a feature: in the instance that was named, else in the
    /// only one that is open to the subject and knows it; 400 where there are several, or none.
    pub async fn locate(&mut self, target: Target<'_>) -> Result<Located> {
        let mandate = mandate_catalogue();
        if target.is_known(&mandate) {
            let access = self.access.clone().map_or(Held::Nothing, Held::InMandate);
            return Ok(Located::Here(AskedScope { instance: None, catalogue: mandate, access }));
        }
        if let Some(named) = self.named {
            let scope = self.instance(named).await?;
            return Ok(if target.is_known(&scope.catalogue) {
                Located::Here(scope)
            } else {
                Located::Unknown
            });
        }
        let open = self.open_instances().await?;
        let fitting: Vec<&OpenInstance> =
            open.iter().filter(|open| is_known_to(open, target)).collect();
        match fitting[..] {
            [only] => Ok(Located::Here(self.instance(only.id).await?)),
            _ if self.is_known_anywhere(target).await? => {
                Err(find::missing(&self.shown(fitting).await?))
            }
            _ => Ok(Located::Unknown),
        }
    }

    /// Where a feature's table or view is that [`Self::locate`] finds in no open instance: the only
    /// one that the subject is admitted to, where it, the admission or something above is disabled.
    pub async fn locate_what_is_disabled(
        &mut self,
        target: Target<'_>,
    ) -> Result<Option<AskedScope>> {
        let admitted =
            load::admitted_instances(&*self.reader().await?, self.user, self.mandate).await?;
        let fitting: Vec<_> =
            admitted.iter().filter(|admitted| is_known_to(admitted, target)).collect();
        match self.shown(fitting).await?[..] {
            [only] => self.instance(only.id).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Those of the instances that may be named to the caller: what others are admitted to is no
    /// answer to a guess.
    async fn shown<'a>(&self, instances: Vec<&'a OpenInstance>) -> Result<Vec<&'a OpenInstance>> {
        let Some(caller) = self.hidden_from else { return Ok(instances) };
        let own = load::open_instances(&*self.reader().await?, caller, self.mandate).await?;
        Ok(instances
            .into_iter()
            .filter(|instance| own.iter().any(|open| open.id == instance.id))
            .collect())
    }

    /// For one statement, in the mandate's turn: the caller was let in.
    async fn reader(&self) -> Result<Reader<'_>> {
        self.services.db.reader_for(Whose::Mandate(self.mandate)).await
    }

    async fn is_known_anywhere(&self, target: Target<'_>) -> Result<bool> {
        if is_of_every_instance(target) {
            return Ok(true);
        }
        let (Target::Rows(name, _) | Target::View(name)) = target;
        if name.contains('\0') {
            return Ok(false); // no name has it, and PostgreSQL cannot be asked
        }
        load::is_of_a_feature(&*self.reader().await?, target).await
    }

    async fn open_instances(&mut self) -> Result<Arc<Vec<OpenInstance>>> {
        if let Some(open) = &self.open {
            return Ok(open.clone());
        }
        let key = (self.user, self.mandate);
        let open = match self.epochs {
            _ if self.access.is_none() => Arc::new(Vec::new()),
            Some(epochs) => find::open_instances(&self.services, key, epochs).await?,
            None => Arc::new(
                load::open_instances(&*self.reader().await?, self.user, self.mandate).await?,
            ),
        };
        self.open = Some(open.clone());
        Ok(open)
    }

    async fn instance(&mut self, instance: InstanceId) -> Result<AskedScope> {
        if let Some(known) = self.known.get(&instance) {
            return Ok(known.clone());
        }
        let key = (self.user, self.mandate);
        let found = match self.epochs {
            Some(epochs) => find::instance(&self.services, key, instance, epochs).await?,
            None => {
                load::instance(&*self.reader().await?, self.user, self.mandate, instance).await?
            }
        };
        let FoundInstance { catalogue, access, .. } = found.ok_or_else(Error::not_found)?;
        // An admission counts only while the membership is alive.
        let access =
            access.filter(|_| self.access.is_some()).map_or(Held::Nothing, Held::InInstance);
        let scope = AskedScope { instance: Some(instance), catalogue: Arc::new(catalogue), access };
        self.known.insert(instance, scope.clone());
        Ok(scope)
    }

    /// Who of these owners shares a group with the subject; one statement however many there are.
    pub async fn peers_among(&self, owners: &BTreeSet<UserId>) -> Result<BTreeSet<UserId>> {
        let others: Vec<UserId> =
            owners.iter().copied().filter(|owner| *owner != self.user).collect();
        if others.is_empty() {
            return Ok(BTreeSet::new());
        }
        load::peers_among(&*self.reader().await?, self.mandate, self.user, &uuids(&others)).await
    }

    /// Whether the subject may do it: to any row, or to a row of this owner.
    pub fn verdict(
        &self,
        scope: &AskedScope,
        target: Target<'_>,
        owner: Option<UserId>,
        peers: &BTreeSet<UserId>,
    ) -> Verdict {
        let nearness = owner.map(|owner| decision::nearness(target, self.user, owner, peers));
        decision::verdict(scope.merged(), target, nearness)
    }

    /// How the subject stands there, whatever is disabled; where it is alive, nothing is.
    pub async fn standing(&self, scope: &AskedScope) -> Result<Standing> {
        if scope.is_alive() {
            return Ok(Standing { closed: Vec::new(), held: scope.roles().to_vec() });
        }
        standing::standing(&*self.reader().await?, self.user, self.mandate, scope.instance).await
    }
}
