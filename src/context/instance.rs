//! Somebody in one of a mandate's feature instances.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::actor::{Actor, RequestMeta};
use super::grant::{Grant, Levels, permission_denied};
use super::load::FoundInstance;
use super::mandate::MandateContext;
use super::merged_access::InstanceAccess;
use super::through::{ThroughLevel, ThroughRow};
use super::transaction::{Reading, Writing};
use crate::access::tables::{FeatureTable, Instances, Op, Table};
use crate::access::{Catalogue, Level, Operation};
use crate::kernel::db::Intent;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// A mandate context with one of the mandate's feature instances, named by the path or by
/// `X-Instance-Id`.
#[derive(Debug, Clone)]
pub struct InstanceContext {
    pub(super) mandate: MandateContext,
    pub(super) instance: InstanceId,
    pub(super) feature_code: String,
    pub(super) catalogue: Catalogue,
    pub(super) needed: Level,
    pub(super) access: Option<Arc<InstanceAccess>>,
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

    /// Permission to do `O` on a table of the instance's feature, by the caller's own access in it.
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

    /// Permission over the instance's own row, by the mandate table `instances`.
    pub fn grant_over_itself<O: Op>(&self) -> Result<Grant<Instances, O>> {
        let grant = Grant::decide(
            self.mandate.mandate,
            Some(self.instance),
            self.mandate.caller.user,
            self.mandate.levels(Instances::NAME, O::OPERATION),
        )?;
        grant.admit(self.needed)?;
        Ok(grant)
    }

    /// Permission over the instance's table `T`: through the instance's row, and then over all of
    /// it, or by the caller's own access in the instance.
    pub fn grant_through_row<T: ThroughRow<O>, O: Op>(&self) -> Result<Grant<T, O>> {
        let (table, operation) = (T::Of::NAME, T::operation());
        let mandate = self.mandate.levels(table, operation);
        let reached = |level: Level| if level >= self.needed { Level::All } else { Level::None };
        let by_row = Levels { operation: reached(mandate.operation), read: reached(mandate.read) };
        let levels = by_row.max(self.own(T::NAME, O::OPERATION));
        if levels.operation == Level::None && mandate.operation > Level::None {
            // Some instances are reached, this one is not: as if it were not there, unless its row
            // may be seen.
            let seen = self.mandate.levels(table, Operation::Read).read >= self.needed;
            return Err(if seen {
                permission_denied(table, operation, self.needed)
            } else {
                Error::not_found()
            });
        }
        Grant::decide(self.mandate.mandate, Some(self.instance), self.mandate.caller.user, levels)
    }

    /// Permission over the instance's table `T`: through the level of a table of the mandate, or by
    /// the caller's own access in the instance, whichever reaches further.
    pub fn grant_through_level<T: ThroughLevel, O: Op>(&self) -> Result<Grant<T, O>> {
        let through = self.mandate.levels(T::Of::NAME, O::OPERATION);
        let levels = through.max(self.own(T::NAME, O::OPERATION));
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

/// For a SysAdmin without any access of their own: the flag opens no data, and roles that they hold
/// as a member do not count where they govern.
pub(super) fn instance_context(
    mandate: MandateContext,
    instance: InstanceId,
    found: FoundInstance,
) -> InstanceContext {
    let access = found.access.filter(|_| !mandate.is_sys_admin());
    InstanceContext {
        mandate,
        instance,
        feature_code: found.feature_code,
        catalogue: found.catalogue,
        needed: found.needed,
        access,
    }
}

impl Actor for InstanceContext {
    fn actor(&self) -> Option<UserId> {
        self.mandate.actor()
    }
    fn impersonated_by(&self) -> Option<UserId> {
        self.mandate.impersonated_by()
    }
    fn meta(&self) -> &RequestMeta {
        self.mandate.meta()
    }
    fn scope(&self) -> Option<MandateId> {
        self.mandate.scope()
    }
    fn now(&self) -> DateTime<Utc> {
        self.mandate.now()
    }
}
