//! `POST /api/auth/password/reset`.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::store::{self, Whose};
use crate::context::Visitor;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::mailed::{self, Purpose, token_gone};
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::identity::mails::{self, Kind};
use crate::identity::{lockout, sessions};
use crate::kernel::credentials::mailed::MailedToken;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(reset_password)
            .refuses(&[Code::TokenGone, Code::Unavailable])
            .guard(app, Policy::public().class(Class::Auth)),
    )
}

/// The token that was mailed, and the password that one wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    #[schema(example = "bwm_q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoAA", format = Password)]
    token: String,
    /// 15 to 128 characters unless the service was told otherwise, not easily guessed.
    #[schema(example = "quiet-Harbour-58-lantern", format = Password)]
    password: String,
}

/// Chooses another password with a token that was mailed. It signs nobody in: every session of the
/// account ends, and locks of its names are forgotten. A password that is refused leaves the token
/// good. One that is not good yet (a link that a SysAdmin was handed) is 410 with `validFrom`.
#[utoipa::path(post, path = "/api/auth/password/reset", tag = "Sign-in",
    request_body = ResetPassword,
    responses((status = 204, description = "Sign in with it now"),
              (status = 410, description = "The token is good no more")))]
async fn reset_password(
    State(app): State<App>,
    visitor: Visitor,
    Json(body): Json<ResetPassword>,
) -> Result<NoContent> {
    let token = MailedToken::read(&body.token).ok_or_else(token_gone)?;
    let hash = token.hash(&app.keys());
    let mut reading = visitor.read().await?;
    let (Purpose::Reset, user) = mailed::look(&mut reading, &visitor, &hash).await? else {
        return Err(token_gone());
    };
    let user = UserId::from(user);
    let own = store::whose(&mut reading, &visitor, user).await?.ok_or_else(token_gone)?;
    reading.finish().await?;
    let names: Vec<&str> = own.names.iter().map(String::as_str).collect();
    let passwords = app.passwords();
    let judged = passwords.new_hash("/password", body.password, &names).await?;
    let password_hash = judged.map_err(|fault| Error::invalid(vec![fault]))?;
    retrying(|| reset(&app, &visitor, (user, &own), (&hash, &password_hash))).await
}

async fn reset(
    app: &App,
    visitor: &Visitor,
    (user, whose): (UserId, &Whose),
    (token, password_hash): (&[u8], &str),
) -> Result<NoContent> {
    // A password was hashed since the token was looked at.
    let visitor = &visitor.anew();
    let mut writing = visitor.write().await?;
    // The names' counters first, as whoever signs in does: then nobody waits for the other.
    lockout::forgiven(&mut writing, app, visitor, &whose.keys).await?;
    let redeemed = mailed::redeem(&mut writing, visitor, (Purpose::Reset, user), token).await?;
    let account = redeemed.ok_or_else(token_gone)?.account();
    sessions::end_all(&mut writing, account, None, visitor.now()).await?;
    if !store::reset_password(&mut writing, account, password_hash).await? {
        return Err(token_gone());
    }
    let kind = Kind::PasswordReset;
    if whose.is_confirmed {
        mails::tell(&mut writing, app, visitor, (user, None), kind).await?;
    } else {
        // The address may be that of whoever set it.
        mails::tell_everywhere(&mut writing, app, visitor, account, kind).await?;
    }
    let event = Event::new(Action::PasswordReset, ResourceType::User, user).target(user).by(user);
    let recorded = audit::record_platform(&mut writing, visitor, event).await?;
    writing.commit(recorded).await?;
    Ok(NoContent)
}
