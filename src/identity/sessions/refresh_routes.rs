//! `POST /api/auth/refresh`: staying signed in.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::answer::TokenAnswer;
use super::life::Life;
use super::rotation::Verdict;
use super::store;
use super::used_from::UsedFrom;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Recorded, Visitor};
use crate::http::app::App;
use crate::http::attended;
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::http::rate_limit::Purse;
use crate::identity::mails::{self, Kind};
use crate::kernel::credentials::refresh::RefreshToken;
use crate::kernel::error::{Code, Error, Result};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(refresh_session)
            .refuses(&[Code::SessionRevoked])
            .guard(app, Policy::public().class(Class::Auth).charged_by_the_handler(None)),
    )
}

/// The refresh token of the last sign-in or refresh.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RefreshSession {
    #[schema(example = "bwr_AZAAAAAAcACAAAAAviWjWgAAAAFq0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoAA",
        format = Password)]
    refresh_token: String,
}

/// Answers the next pair of tokens. A refresh token is good once. For ten seconds one that was used
/// is answered with the same refresh token again, so that a lost answer or two tabs at once sign
/// nobody out; used again later, it ends the session, since somebody else has it too. Limited for
/// each session (class `auth`), and where it is refused for each address (`auth-address`).
#[utoipa::path(post, path = "/api/auth/refresh", tag = "Sign-in", request_body = RefreshSession,
    responses((status = 200, description = "The next pair", body = TokenAnswer)))]
async fn refresh_session(
    State(app): State<App>,
    visitor: Visitor,
    purse: Purse,
    from: UsedFrom,
    body: Result<Json<RefreshSession>>,
) -> Result<Json<TokenAnswer>> {
    let Json(body) =
        body.or_else(|unread| purse.charge_address(Class::AuthAddress).and(Err(unread)))?;
    let Some(presented) = RefreshToken::read(&body.refresh_token, &app.keys()) else {
        return Err(refused(&purse));
    };
    purse.charge_session(presented.session)?;
    let now = visitor.now();
    match retrying(|| renewed(&app, &visitor, presented, &from, now)).await? {
        Some(answer) => Ok(Json(answer)),
        None => Err(refused(&purse)),
    }
}

/// Whatever is wrong with it. Who sends many of these is told to wait.
fn refused(purse: &Purse) -> Error {
    let refused = Error::new(Code::SessionRevoked, "This refresh token is good no more.");
    purse.charge_address(Class::AuthAddress).err().unwrap_or(refused)
}

async fn renewed(
    app: &App,
    visitor: &Visitor,
    presented: RefreshToken,
    from: &UsedFrom,
    now: DateTime<Utc>,
) -> Result<Option<TokenAnswer>> {
    let idle = Life::of(app.settings()).idle;
    let mut writing = visitor.write().await?;
    let renewed = store::renew(&mut writing, visitor, presented, from, (now, idle)).await?;
    if let Some(signed_in) = renewed {
        writing.commit(Recorded::nothing_changed()).await?;
        attended::by_user(signed_in.user);
        return TokenAnswer::of(app, &signed_in, presented.number + 1, now).map(Some);
    }
    let alive = store::rotation(&mut writing, visitor, presented.session, now).await?;
    writing.commit(Recorded::nothing_changed()).await?;
    let Some((signed_in, rotation)) = alive else { return Ok(None) };
    attended::by_user(signed_in.user);
    match rotation.judge(presented.number, now) {
        Verdict::ToldAgain => TokenAnswer::of(app, &signed_in, rotation.number, now).map(Some),
        Verdict::Reused => end_stolen(app, visitor, presented, now).await.map(|()| None),
        // The one that is good now was not when the first statement looked.
        Verdict::Renewed | Verdict::Unknown => Ok(None),
    }
}

/// In a transaction of its own: it locks the session otherwise than looking did.
async fn end_stolen(
    app: &App,
    visitor: &Visitor,
    presented: RefreshToken,
    now: DateTime<Utc>,
) -> Result<()> {
    let session = presented.session;
    let mut writing = visitor.write().await?;
    let Some(user) = store::end_stolen(&mut writing, visitor, session, now).await? else {
        return writing.commit(Recorded::nothing_changed()).await;
    };
    tracing::warn!(%session, %user, "a refresh token was used twice; its session ended");
    // Whose address it is, the thief's or the owner's, nobody knows: it goes with the owner.
    let event = Event::new(Action::RefreshTokenReused, ResourceType::Session, session)
        .target(user)
        .address_of(user);
    mails::tell(&mut writing, app, visitor, (user, None), Kind::SessionStolen).await?;
    let recorded = audit::record_platform(&mut writing, visitor, event).await?;
    writing.commit(recorded).await
}
