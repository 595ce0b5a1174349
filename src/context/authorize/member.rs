//! The way in of members of a mandate.

use std::sync::Arc;

use super::authorizing::Authorizing;
use super::context::{Context, Governed, OfTables};
use super::facts::RequestFacts;
use crate::context::change::retrying;
use crate::context::load::{self, Epochs};
use crate::context::mandate::{Authority, MandateContext};
use crate::context::merged_access::MandateAccess;
use crate::context::path::Origin;
use crate::context::refusals::mandate_access_denied;
use crate::context::terms::{Clause, Impersonation, Terms};
use crate::kernel::db::{ActAs, Intent};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::MandateId;

impl Context for MandateContext {
    const IMPERSONATION: Impersonation = Impersonation::Reading;
    fn origin(terms: &Terms) -> Option<Origin> {
        terms.has(Clause::Sys).then_some(Origin::Mandate)
    }
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        let authorizing = facts.with_session().await?;
        if authorizing.governs() {
            authorizing.governed_mandate().await
        } else {
            authorizing.mandate_of_member().await
        }
    }
    fn in_mandate(&self) -> Option<&MandateContext> {
        Some(self)
    }
}

impl OfTables for MandateContext {}
impl Governed for MandateContext {}

impl Authorizing<'_> {
    /// Where a table of the policy is open to the caller, or it is about themselves.
    pub(super) async fn mandate_of_member(&self) -> Result<MandateContext> {
        let context = self.member_or_suspended().await?;
        if self.is_oneself()? || self.some_table_is_open(&context, None) {
            Ok(context)
        } else {
            Err(self.denied())
        }
    }

    /// The caller as a member of the mandate that the header names; the path, where it names one,
    /// must agree.
    pub(super) async fn member(&self) -> Result<MandateContext> {
        let mandate = self.named_mandate()?;
        let access = self.mandate_access(mandate).await?;
        let authority = Authority::of_member(&self.caller, access)?;
        Ok(MandateContext { caller: self.caller.clone(), mandate, authority })
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
            decided => return decided,
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
        if let Some(named) = self.path.id::<MandateId>()?
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
        if loaded.first_use && (self.caller.dry_run || self.caller.impersonated_by.is_some()) {
            // To note it would change something, and who acts as somebody else does not open their
            // address to colleagues; not kept either, so that the next request notes it.
            return Ok(access);
        }
        if loaded.first_use {
            // Before it is kept, so that it is tried again where it fails.
            retrying(|| self.note_first_use(mandate)).await?;
        }
        let epochs = Epochs { era: self.epochs.era, ..loaded.epochs };
        self.services.cache.keep_mandate(key, epochs, access.clone());
        Ok(access)
    }

    /// From now on colleagues see more of this member than the username.
    async fn note_first_use(&self, mandate: MandateId) -> Result<()> {
        let mut transaction = self.services.db.begin(ActAs::System, Intent::Write).await?;
        sqlx::query!(
            "update memberships set first_used_at = $3 where mandate_id = $1 and user_id = $2
               and first_used_at is null",
            mandate.uuid(),
            self.caller.user.uuid(),
            // On the way in: what the handler does has a time of its own.
            self.caller.anew().now()
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }
}
