//! A request before it is decided upon.

use axum::http::HeaderMap;

use super::authorizing::Authorizing;
use super::headers::ContextHeaders;
use crate::context::actor::RequestMeta;
use crate::context::caller::Caller;
use crate::context::load::{Mandates, Question};
use crate::context::moment::Moment;
use crate::context::path::RequestPath;
use crate::context::refusals::unauthenticated;
use crate::context::services::Services;
use crate::context::terms::Terms;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::error::Result;

/// A request, as far as deciding needs it.
#[derive(Debug)]
pub struct RequestFacts<'a> {
    pub services: &'a Services,
    pub terms: &'a Terms,
    pub claims: Option<Claims>,
    pub headers: &'a HeaderMap,
    pub path: RequestPath<'a>,
    pub dry_run: bool,
    pub meta: RequestMeta,
    /// The time of the door: whether the caller is let in is decided by it, token and session.
    pub moment: Moment,
}

impl<'a> RequestFacts<'a> {
    /// Somebody whose token was verified, and the headers that choose a context.
    pub(super) fn claimed(&self) -> Result<(Claims, ContextHeaders)> {
        let claims = self.claims.ok_or_else(unauthenticated)?;
        Ok((claims, ContextHeaders::parse(self.headers)?))
    }

    /// Somebody whose session is alive.
    pub(super) async fn with_session(self) -> Result<Authorizing<'a>> {
        let (claims, headers) = self.claimed()?;
        let services = self.services;
        let (session, user) = (claims.session, claims.user);
        let mandates = Mandates::One(headers.mandate);
        let question = Question { session, user, mandates, at: self.moment.now() };
        let fresh = services.fresh(question, self.terms.good_for).await?;
        let caller = Caller {
            user,
            session,
            is_sys_admin: fresh.is_sys_admin,
            dry_run: self.dry_run,
            meta: self.meta,
            // What they do is decided when they do it: their body may be long in coming.
            moment: self.moment.anew(),
            services: services.clone(),
        };
        let (terms, path) = (self.terms, self.path);
        Ok(Authorizing { services, terms, headers, path, caller, epochs: fresh.epochs })
    }
}
