//! The way in of who is signed in, with the contexts that they choose.

use super::authorizing::Authorizing;
use super::context::Context;
use super::facts::RequestFacts;
use crate::context::caller::Caller;
use crate::context::instance::InstanceContext;
use crate::context::mandate::MandateContext;
use crate::context::terms::{About, Impersonation};
use crate::kernel::error::{Code, Error, Result};

/// A signed-in user, with the contexts that the headers named.
#[derive(Debug, Clone)]
pub struct ChosenContext {
    pub caller: Caller,
    pub mandate: Option<MandateContext>,
    pub instance: Option<InstanceContext>,
}

impl Context for ChosenContext {
    const ABOUT: About = About::ChosenContext;
    const IMPERSONATION: Impersonation = Impersonation::Reading;
    async fn authorize(facts: RequestFacts<'_>) -> Result<Self> {
        facts.with_session().await?.chosen().await
    }
    fn in_mandate(&self) -> Option<&MandateContext> {
        self.mandate.as_ref()
    }
}

impl Authorizing<'_> {
    async fn chosen(self) -> Result<ChosenContext> {
        if self.headers.mandate.is_none() {
            if self.headers.instance.is_some() {
                return Err(Error::new(
                    Code::MandateContextMissing,
                    "X-Instance-Id needs X-Mandate-Id beside it.",
                ));
            }
            return Ok(ChosenContext { caller: self.caller, mandate: None, instance: None });
        }
        let mandate = self.member().await?;
        let instance = self.instance_if_named(&mandate).await?;
        Ok(ChosenContext { caller: self.caller, mandate: Some(mandate), instance })
    }
}
