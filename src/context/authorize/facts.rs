//! A request before it is decided upon.

use axum::http::{HeaderMap, Method};
use chrono::Duration;

use super::authorizing::Authorizing;
use super::headers::ContextHeaders;
use crate::context::actor::RequestMeta;
use crate::context::caller::Caller;
use crate::context::load::Mandates;
use crate::context::moment::Moment;
use crate::context::path::RequestPath;
use crate::context::refusals::unauthenticated;
use crate::context::services::{Door, Services};
use crate::context::terms::Terms;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::error::Result;

/// A request, as far as deciding needs it.
#[derive(Debug)]
pub struct RequestFacts<'a> {
    pub services: &'a Services,
    pub terms: &'a Terms,
    pub claims: Option<Claims>,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub path: RequestPath<'a>,
    pub dry_run: bool,
    /// For how long it is good that somebody showed who they are.
    pub step_up_lasts: Duration,
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

    /// Whom the route lets in.
    pub(super) fn door(&self) -> Door {
        let Terms { good_for, .. } = *self.terms;
        Door {
            good_for,
            lets_impersonate: self.terms.let_impersonate(self.method),
            step_up: (self.terms.step_up(self.method), self.step_up_lasts),
        }
    }

    /// Somebody whose session is alive.
    pub(super) async fn with_session(self) -> Result<Authorizing<'a>> {
        let (claims, headers) = self.claimed()?;
        let services = self.services;
        let about = (Mandates::One(headers.mandate), self.moment.now());
        let fresh = services.fresh(&claims, about, self.door()).await?;
        let caller = Caller {
            user: claims.user,
            session: claims.session,
            impersonated_by: claims.impersonated_by,
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
