//! The way in of who is signed in, whatever they may do.

use super::entered::Entered;
use super::entrance::Entrance;
use crate::context::asking::Asking;
use crate::context::caller::SessionContext;
use crate::context::mandate::MandateContext;
use crate::kernel::error::{Code, Error, Result};

impl Entrance<'_> {
    /// A signed-in user; with the contexts that the headers name, where the route looks at them.
    pub(super) async fn user(self) -> Result<Entered> {
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

    pub(super) async fn asking(&self, mandate: MandateContext) -> Result<Asking> {
        let instance = match self.headers.instance {
            Some(id) => Some(self.instance_in_header(&mandate, id).await?),
            None => None,
        };
        Ok(Asking { mandate, instance, epochs: self.epochs })
    }
}
