//! The way from a mandate into one of its instances.

use super::authorizing::Authorizing;
use super::context::{Context, Governed, OfTables};
use super::facts::RequestFacts;
use crate::context::instance::{InstanceContext, instance_context};
use crate::context::mandate::MandateContext;
use crate::context::path::Origin;
use crate::context::refusals::instance_access_denied;
use crate::context::terms::{Clause, Impersonation, Terms};
use crate::context::{find, load};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::InstanceId;

impl Context for InstanceContext {
    const IMPERSONATION: Impersonation = Impersonation::Reading;
    fn origin(terms: &Terms) -> Option<Origin> {
        let in_path = terms.feature_code().is_none() || terms.has(Clause::Sys);
        in_path.then_some(Origin::Instance)
    }
    /// A feature's instance is the header's, or the only one that is open.
    fn passed_over(terms: &Terms) -> &'static [Origin] {
        if Self::origin(terms).is_none() { &[Origin::Instance] } else { &[] }
    }
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let authorizing = facts.with_session().await?;
        if authorizing.governs() {
            return authorizing.governed_instance().await;
        }
        let context = authorizing.member().await?;
        match authorizing.terms.feature_code() {
            Some(feature) => authorizing.in_feature(&context, feature).await,
            None => authorizing.instance_in_path(context).await,
        }
    }
    fn in_mandate(&self) -> Option<&MandateContext> {
        Some(self.mandate())
    }
}

impl OfTables for InstanceContext {}
impl Governed for InstanceContext {}

impl Authorizing<'_> {
    pub(super) async fn instance_if_named(
        &self,
        mandate: &MandateContext,
    ) -> Result<Option<InstanceContext>> {
        match self.headers.instance {
            Some(id) => self.instance_in_header(mandate, id).await.map(Some),
            None => Ok(None),
        }
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
        let found = self.instance_in_header(context, instance).await?;
        if found.feature_code != feature {
            return Err(instance_access_denied());
        }
        if self.some_table_is_open(context, found.access()) {
            Ok(found)
        } else {
            Err(self.denied())
        }
    }

    async fn instance_in_path(&self, context: MandateContext) -> Result<InstanceContext> {
        let instance = self.path.id::<InstanceId>()?.ok_or_else(Error::not_found)?;
        let found =
            load::instance(&*self.reader().await?, self.caller.user, context.mandate, instance)
                .await?;
        let own = found.as_ref().and_then(|found| found.access.as_deref());
        if !self.some_table_is_open(&context, own) {
            return Err(self.denied());
        }
        let found = found.ok_or_else(Error::not_found)?;
        Ok(instance_context(context, instance, found))
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
        let found = found.filter(|found| found.access.is_some());
        let found = found.ok_or_else(instance_access_denied)?;
        Ok(instance_context(context.clone(), instance, found))
    }
}
