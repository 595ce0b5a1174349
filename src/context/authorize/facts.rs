//! A request before it is decided upon.

use axum::http::HeaderMap;

use super::authorizing::Authorizing;
use super::headers::ContextHeaders;
use crate::context::actor::RequestMeta;
use crate::context::caller::Caller;
use crate::context::load::Mandates;
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
        let fresh = services
            .fresh(claims.session, claims.user, Mandates::One(headers.mandate), self.terms.good_for)
            .await?;
        let caller = Caller {
            user: claims.user,
            session: claims.session,
            is_sys_admin: fresh.is_sys_admin,
            dry_run: self.dry_run,
            meta: self.meta,
            services: services.clone(),
        };
        let (terms, path) = (self.terms, self.path);
        Ok(Authorizing { services, terms, headers, path, caller, epochs: fresh.epochs })
    }
}
