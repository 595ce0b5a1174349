//! What is known of a request's mandate once its caller was let in, or refused.

use axum::extract::Request;

use super::attended::log_mandate;
use super::impersonated::Worked;
use super::rate_limit::{Identity, Purse, named_mandate};
use crate::context::authorize::Context;
use crate::context::impersonation::Place;
use crate::context::path::RequestPath;
use crate::http::app::App;
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::MandateId;

/// Whose turn it takes, and whose budget it is charged to, now that it is known.
pub(super) fn note_mandate<C: Context>(
    app: &App,
    request: &Request,
    path: RequestPath<'_>,
    authorized: &Result<C>,
) -> Result<()> {
    if let Some(mandate) = authorized.as_ref().ok().and_then(|context| context.works_in(path)) {
        log_mandate(mandate);
    }
    note_place(request, path, authorized);
    if let Some(purse) = request.extensions().get::<Purse>() {
        purse.settle(member_of(app, request, authorized))?;
    }
    Ok(())
}

/// Where it is let in, as far as is known by now.
pub(super) fn note_place<C: Context>(
    request: &Request,
    path: RequestPath<'_>,
    authorized: &Result<C>,
) {
    if let Some(worked) = request.extensions().get::<Worked>() {
        let let_in = authorized.as_ref().ok().filter(|_| C::IS_CHECKED);
        let place = |context: &C| context.works_in(path).map_or(Place::Everywhere, Place::In);
        worked.note(let_in.map(place));
    }
}

/// Of which mandate the caller turned out to be a member, whether or not the operation is open to
/// them there.
fn member_of<C: Context>(
    app: &App,
    request: &Request,
    authorized: &Result<C>,
) -> Option<MandateId> {
    if let Some(mandate) = authorized.as_ref().ok().and_then(Context::member_of) {
        return Some(mandate);
    }
    let user = request.extensions().get::<Identity>()?.claims?.user;
    let has_session =
        authorized.as_ref().err().is_none_or(|refusal| refusal.code() != Code::Unauthenticated);
    named_mandate(request.headers())
        .filter(|mandate| has_session && app.services().lets_in(user, *mandate))
}
