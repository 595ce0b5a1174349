//! Where a request becomes a context, or is refused: the one place that decides who may come in.
//!
//! The order is fixed: 401 (who are you), 400 (context headers), then 403 `mandate_access_denied`
//! (is this mandate open to you), then 403 `permission_denied` (is the operation open to you at
//! all), all before any object is looked up.

mod accounts;
mod decide;
mod deferred;
mod entered;
mod entrance;
mod headers;
mod instances;
mod member;
mod role;
mod sys_admin;
mod user;

use std::collections::HashMap;

use axum::http::HeaderMap;

use super::actor::RequestMeta;
use super::caller::Caller;
use super::load;
use super::policy::Policy;
use super::services::Services;
use crate::kernel::credentials::claims::Claims;
use crate::kernel::error::Result;
use entrance::Entrance;
use headers::ContextHeaders;

pub(crate) use super::refusals::{for_sys_admins, mandate_access_denied, unauthenticated};
pub use accounts::{Accounts, Reach};
pub use deferred::DeferredCaller;
pub use entered::Entered;

/// A request, as far as deciding needs it.
#[derive(Debug)]
pub struct Arrival<'a> {
    pub claims: Option<Claims>,
    pub headers: &'a HeaderMap,
    pub path: &'a HashMap<String, String>,
    pub dry_run: bool,
    pub meta: RequestMeta,
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
