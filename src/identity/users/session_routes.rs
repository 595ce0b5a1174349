//! `/api/users/{userId}/sessions`: where somebody is signed in, for SysAdmins.

use utoipa_axum::routes;

use super::{AccountPath, find};
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Locks, SystemContext};
use crate::http::app::App;
use crate::http::extract::{FromPath, NoContent, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::identity::sessions::{self, Session};
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::{SessionId, UserId};
use crate::{list_query, path_params};

path_params! {
    /// To a session of an account.
    AccountSessionPath {
        /// The account
        #[param(inline)]
        user_id: UserId,
        /// The session
        #[param(inline)]
        session_id: SessionId,
    }
}

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_user_sessions).refuses(&[Code::Gone]).guard(app, Policy::sys()))
        .routes(routes!(end_user_sessions).refuses(&[Code::Gone]).guard(app, Policy::sys()))
        .routes(routes!(end_user_session).refuses(&[Code::Gone]).guard(app, Policy::sys()))
}

list_query! {
    UserSessionsQuery sorted by "-createdAt" {}
}

/// Where somebody is signed in.
#[utoipa::path(get, path = "/api/users/{userId}/sessions", tag = "Users",
    params(AccountPath, UserSessionsQuery),
    responses((status = 200, description = "A page of sessions", body = Page<Session>)))]
async fn list_user_sessions(
    system: SystemContext,
    lister: Lister,
    FromPath(AccountPath { user_id: user }): FromPath<AccountPath>,
    Query(query): Query<UserSessionsQuery>,
) -> Result<PageAnswer<Session>> {
    let paging = query.paging(&lister)?;
    let account = system.system().account(user);
    let mut reading = system.read().await?;
    if find::find(&mut reading, account).await?.is_none() {
        return Err(find::missing(&mut reading, account).await?);
    }
    let seen_by = (system.session(), system.now());
    let rows = sessions::list(&mut reading, account, seen_by, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Signs somebody out everywhere.
#[utoipa::path(delete, path = "/api/users/{userId}/sessions", tag = "Users",
    params(AccountPath), responses((status = 204, description = "Signed out everywhere")))]
async fn end_user_sessions(
    system: SystemContext,
    FromPath(AccountPath { user_id: user }): FromPath<AccountPath>,
) -> Result<NoContent> {
    let account = system.system().account(user);
    retrying(async || {
        let mut change = system.change(Locks::users([user])).await?;
        if find::find_for_change(&mut change, account).await?.is_none() {
            return Err(find::missing(&mut change, account).await?);
        }
        let (connection, system) = change.acting();
        let recorded = sessions::end_others(connection, system, account, None).await?;
        change.commit(recorded).await
    })
    .await?;
    Ok(NoContent)
}

/// Signs somebody out where this session is used.
#[utoipa::path(delete, path = "/api/users/{userId}/sessions/{sessionId}", tag = "Users",
    params(AccountSessionPath), responses((status = 204, description = "Signed out there")))]
async fn end_user_session(
    system: SystemContext,
    FromPath(AccountSessionPath { user_id: user, session_id: session }): FromPath<
        AccountSessionPath,
    >,
) -> Result<NoContent> {
    let account = system.system().account(user);
    retrying(async || {
        let mut writing = system.write().await?;
        if find::find(&mut writing, account).await?.is_none() {
            return Err(find::missing(&mut writing, account).await?);
        }
        let recorded = sessions::end_one(&mut writing, &system, account, session).await?;
        writing.commit(recorded).await
    })
    .await?;
    Ok(NoContent)
}
