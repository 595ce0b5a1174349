//! `/api/auth/sessions`: where one is signed in, and signing out there.

use utoipa_axum::routes;

use super::list::{self, Session};
use super::{SessionPath, end_one, end_others};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Locks, SessionContext};
use crate::http::app::App;
use crate::http::extract::{FromPath, NoContent, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::kernel::error::{Code, Result};
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_sessions).guard(app, Policy::own_session()))
        .routes(routes!(end_other_sessions).guard(app, Policy::own_session().class(Class::Auth)))
        .routes(
            routes!(end_session)
                .refuses(&[Code::NotFound])
                .guard(app, Policy::own_session().class(Class::Auth)),
        )
}

list_query! {
    SessionsQuery sorted by "-createdAt" {}
}

/// Where one is signed in.
#[utoipa::path(get, path = "/api/auth/sessions", tag = "Sign-in", params(SessionsQuery),
    responses((status = 200, description = "A page of sessions", body = Page<Session>)))]
async fn list_sessions(
    context: SessionContext,
    lister: Lister,
    Query(query): Query<SessionsQuery>,
) -> Result<PageAnswer<Session>> {
    let paging = query.paging(&lister)?;
    let caller = context.caller();
    let seen_by = (Some(context.session()), caller.now());
    let mut reading = caller.read().await?;
    let rows = list::list(&mut reading, caller.account(), seen_by, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Signs out everywhere else.
#[utoipa::path(delete, path = "/api/auth/sessions", tag = "Sign-in",
    responses((status = 204, description = "Signed out everywhere else")))]
async fn end_other_sessions(context: SessionContext) -> Result<NoContent> {
    let caller = context.caller();
    retrying(async || {
        let mut change = caller.change(Locks::users([caller.user()])).await?;
        let but = Some(context.session());
        let (connection, caller) = change.acting();
        let recorded = end_others(connection, caller, caller.account(), but).await?;
        change.commit(recorded).await
    })
    .await?;
    Ok(NoContent)
}

/// Signs out where this session is used; the one that asks too, if it is that.
#[utoipa::path(delete, path = "/api/auth/sessions/{sessionId}", tag = "Sign-in",
    params(SessionPath), responses((status = 204, description = "Signed out there")))]
async fn end_session(
    context: SessionContext,
    FromPath(SessionPath { session_id: session }): FromPath<SessionPath>,
) -> Result<NoContent> {
    let caller = context.caller();
    retrying(async || {
        let mut writing = caller.write().await?;
        let recorded = end_one(&mut writing, caller, caller.account(), session).await?;
        writing.commit(recorded).await
    })
    .await?;
    Ok(NoContent)
}
