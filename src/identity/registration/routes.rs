//! `POST /api/auth/register` and `/api/auth/verify/resend`.

use axum::extract::State;
use chrono::Duration;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::require_open;
use super::store::{self, NewRegistration};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Recorded, Visitor};
use crate::http::app::App;
use crate::http::extract::{Accepted, Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::http::preferred_language::PreferredLanguage;
use crate::identity::mails::{self, AskedFor};
use crate::identity::users::{checked_email, username_taken};
use crate::kernel::error::{Code, Error, FieldError, Result, keep};
use crate::kernel::names;

/// How long somebody may take to confirm.
const KEPT_FOR: Duration = Duration::hours(24);

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(register_user)
                .refuses(&[Code::RegistrationClosed, Code::UsernameTaken, Code::Unavailable])
                .guard(app, Policy::public().class(Class::Auth)),
        )
        .routes(
            routes!(resend_verification)
                .refuses(&[Code::RegistrationClosed])
                .guard(app, Policy::public().class(Class::Auth)),
        )
}

/// An account that somebody wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterUser {
    #[schema(example = "erin")]
    username: String,
    #[schema(example = "erin@acme.example")]
    email: String,
    /// 15 to 128 characters unless the service was told otherwise, not easily guessed.
    #[schema(format = Password, example = "harbour-Lantern-27-moss")]
    password: String,
}

/// A body whose every field is in order.
struct Checked {
    language: String,
    username: String,
    email: String,
    email_key: String,
    password_hash: String,
}

impl RegisterUser {
    /// Everything but the password, which takes a worker.
    fn checked(&self, errors: &mut Vec<FieldError>) -> Option<(String, (String, String))> {
        let username = keep(names::checked_username("/username", &self.username), errors);
        let email = keep(checked_email(&self.email), errors);
        username.zip(email)
    }
}

/// Asks for an account. It is made when the address is confirmed with the token that is mailed
/// there, within 24 hours; until then the username is kept for it. Whether an account has the
/// address already is told there, and nowhere else. Mail and account are in the language that
/// `Accept-Language` names first.
#[utoipa::path(post, path = "/api/auth/register", tag = "Sign-in", request_body = RegisterUser,
    responses((status = 202, description = "A mail is on its way", body = Accepted)))]
async fn register_user(
    State(app): State<App>,
    visitor: Visitor,
    PreferredLanguage(language): PreferredLanguage,
    Json(body): Json<RegisterUser>,
) -> Result<Accepted> {
    require_open(&app)?;
    let wanted = judged(&app, &visitor, language, body).await?;
    retrying(|| register(&app, &visitor, &wanted)).await
}

async fn judged(
    app: &App,
    visitor: &Visitor,
    language: String,
    body: RegisterUser,
) -> Result<Checked> {
    let mut errors = Vec::new();
    let passwords = app.passwords();
    let own = [body.username.as_str(), body.email.as_str()];
    let checked = body.checked(&mut errors);
    let Some((username, (email, email_key))) = checked.filter(|_| errors.is_empty()) else {
        // All that is wrong is told at once, but nothing is hashed in vain.
        errors.extend(passwords.fault("/password", body.password.clone(), &own).await?);
        return Err(Error::invalid(errors));
    };
    let mut reading = visitor.read().await?;
    let is_taken = store::is_taken(&mut reading, visitor, &username).await?;
    reading.finish().await?;
    if is_taken {
        return Err(username_taken());
    }
    let hash = passwords.new_hash("/password", body.password.clone(), &own).await?;
    let password_hash = hash.map_err(|fault| Error::invalid(vec![fault]))?;
    Ok(Checked { language, username, email, email_key, password_hash })
}

async fn register(app: &App, visitor: &Visitor, wanted: &Checked) -> Result<Accepted> {
    // A password was hashed since the username was looked for.
    let visitor = &visitor.anew();
    let mut writing = visitor.write().await?;
    let (id, now) = (Uuid::now_v7(), visitor.now());
    let new = NewRegistration {
        id,
        username: &wanted.username,
        email: &wanted.email,
        email_key: &wanted.email_key,
        language: &wanted.language,
        password_hash: &wanted.password_hash,
        now,
        expires_at: now + KEPT_FOR,
    };
    if !store::insert(&mut writing, visitor, &new).await? {
        return Err(username_taken());
    }
    mails::ask_to_confirm(&mut writing, app, visitor, (id, &wanted.email_key)).await?;
    writing.commit(Recorded::nothing_changed()).await?;
    Ok(Accepted {})
}

/// An address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendVerification {
    #[schema(example = "erin@acme.example")]
    email: String,
}

/// Mails the tokens of registrations with this address that wait to be confirmed anew; earlier ones
/// are good no more. Answered alike whether there are any. At most three mails an hour for an
/// address.
#[utoipa::path(post, path = "/api/auth/verify/resend", tag = "Sign-in",
    request_body = ResendVerification,
    responses((status = 204, description = "If there is anything to confirm, it is mailed")))]
async fn resend_verification(
    State(app): State<App>,
    visitor: Visitor,
    Json(body): Json<ResendVerification>,
) -> Result<NoContent> {
    require_open(&app)?;
    let (_, email_key) = checked_email(&body.email).map_err(|fault| Error::invalid(vec![fault]))?;
    let asked = (AskedFor::Confirmations, email_key.as_str());
    retrying(|| mails::note_asked_for(&app, &visitor, asked)).await?;
    Ok(NoContent)
}
