//! Sessions: a sign-in that lasts, and how it is renewed, listed and ended. Access tokens name
//! theirs, and end with it on the next request, on every node.

mod answer;
mod life;
mod list;
mod own_routes;
mod purge;
mod refresh_routes;
mod rotation;
mod seen;
mod store;
mod used_from;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::{Account, Actor, Recorded, SessionContext, Visitor};
use crate::http::app::App;
use crate::http::guard::Routes;
use crate::kernel::credentials::token::SignedIn;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{SessionId, UserId};
use crate::path_params;

pub use answer::{BearerToken, TokenAnswer};
pub use life::Life;
pub use list::{Session, list};
pub use purge::PURGE_SESSIONS;
pub use seen::write_seen;
pub use store::{end_all, end_what_is_over};
pub use used_from::UsedFrom;

path_params! {
    /// To one of one's own sessions.
    SessionPath {
        /// The session
        #[param(inline)]
        session_id: SessionId,
    }
}

pub fn routes(app: &App) -> Routes {
    own_routes::routes(app).merge(refresh_routes::routes(app))
}

/// The password of an account, as somebody has shown that they know it.
#[derive(Debug)]
pub struct VerifiedPassword {
    /// Which of the passwords that were chosen one after the other it is.
    pub version: i64,
    /// The hash that it gets, where the one that it has costs too little.
    pub stronger_hash: Option<String>,
}

/// A session that is to be opened.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub id: SessionId,
    pub user: UserId,
    pub password: &'a VerifiedPassword,
    pub now: DateTime<Utc>,
    pub life: Life,
    pub from: &'a UsedFrom,
}

/// Opens a session, if the account may still sign in, and with the same password.
pub async fn open(
    connection: &mut PgConnection,
    visitor: &Visitor,
    session: &NewSession<'_>,
) -> Result<Option<SignedIn>> {
    store::open(connection, visitor, session).await
}

/// Notes that the holder of the session showed anew who they are; `None` where it is over.
pub async fn step_up(
    connection: &mut PgConnection,
    context: &SessionContext,
    now: DateTime<Utc>,
) -> Result<Option<SignedIn>> {
    store::step_up(connection, context, now).await
}

/// Ends the session that this is asked in; whether it had not ended yet.
pub async fn end_own(connection: &mut PgConnection, context: &SessionContext) -> Result<bool> {
    store::end_own(connection, context).await
}

/// Ends one session of an account, which is told in the platform's trail. 404 where there is none
/// that is alive.
pub async fn end_one(
    connection: &mut PgConnection,
    actor: &impl Actor,
    account: Account,
    session: SessionId,
) -> Result<Recorded> {
    if !store::end_one(connection, account, session, actor.now()).await? {
        return Err(Error::not_found());
    }
    let event = Event::new(Action::SessionEnded, ResourceType::Session, session);
    audit::record_platform(connection, actor, event.target(account.user())).await
}

/// Ends the sessions of an account, all or all but one, which is told in the platform's trail.
pub async fn end_others(
    connection: &mut PgConnection,
    actor: &impl Actor,
    account: Account,
    but: Option<SessionId>,
) -> Result<Recorded> {
    let ended = store::end_all(connection, account, but, actor.now()).await?;
    let event = Event::new(Action::SessionsEnded, ResourceType::User, account.user())
        .target(account.user())
        .details(serde_json::json!({ "sessions": ended }));
    audit::record_platform(connection, actor, event).await
}
