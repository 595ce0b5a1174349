//! `POST /api/auth/verify`: confirming an address.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::require_open;
use super::store::{self, Tried};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::mailed::{self, Purpose, token_gone};
use crate::context::policy::{Class, Policy};
use crate::context::{Recorded, Visitor};
use crate::http::app::App;
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::identity::users;
use crate::kernel::credentials::mailed::MailedToken;
use crate::kernel::error::{Code, Error, FieldError, Result};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(verify_address)
            .refuses(&[
                Code::TokenGone,
                Code::InvalidCredentials,
                Code::UsernameTaken,
                Code::RegistrationClosed,
            ])
            .guard(app, Policy::public().class(Class::Auth)),
    )
}

/// A token that was mailed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyAddress {
    #[schema(example = "bwm_q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoAA", format = Password)]
    token: String,
    /// The one that was registered; not looked at where the address of an account changes.
    #[schema(format = Password, example = "harbour-Lantern-27-moss")]
    password: Option<String>,
}

/// Confirms an address. That of a registration takes the password that was registered beside the
/// token that was mailed, and makes the account; five wrong passwords end it. Another address of an
/// account takes the token alone, whoever is signed in.
#[utoipa::path(post, path = "/api/auth/verify", tag = "Sign-in", request_body = VerifyAddress,
    responses((status = 204, description = "Confirmed"),
              (status = 410, description = "The token is good no more")))]
async fn verify_address(
    State(app): State<App>,
    visitor: Visitor,
    Json(body): Json<VerifyAddress>,
) -> Result<NoContent> {
    let token = MailedToken::read(&body.token).ok_or_else(token_gone)?;
    let hash = token.hash(&app.keys());
    let mut reading = visitor.read().await?;
    let (purpose, subject) = mailed::look(&mut reading, &visitor, &hash).await?;
    reading.finish().await?;
    match purpose {
        Purpose::Registration => {
            confirm_registration(&app, &visitor, (subject, &hash), body.password).await
        }
        Purpose::Address => {
            let user = subject.into();
            retrying(|| users::confirm_address(&app, &visitor, user, &hash)).await
        }
        Purpose::Reset | Purpose::Invitation => Err(token_gone()),
    }
}

async fn confirm_registration(
    app: &App,
    visitor: &Visitor,
    (registration, hash): (Uuid, &[u8]),
    password: Option<String>,
) -> Result<NoContent> {
    require_open(app)?;
    let Some(password) = password else {
        let missing = FieldError::new("/password", "required", "is required to confirm this");
        return Err(Error::invalid(vec![missing]));
    };
    // Whoever has to come back has not tried.
    let place = app.passwords().place()?;
    let tried = retrying(|| try_with(visitor, registration)).await?;
    if !place.verify(password, Some(tried.password_hash.clone())).await? {
        if tried.was_the_last {
            retrying(|| forget(visitor, tried.id)).await?;
        }
        return Err(Error::new(Code::InvalidCredentials, "The password is wrong."));
    }
    let confirmed = retrying(|| confirm(visitor, (tried.id, hash))).await;
    if confirmed.as_ref().is_err_and(|error| error.code() == Code::TokenGone) {
        // Somebody has the address: it waits for nothing more.
        retrying(|| forget(visitor, tried.id)).await?;
    }
    confirmed?.ok_or_else(token_gone)
}

async fn try_with(visitor: &Visitor, registration: Uuid) -> Result<Tried> {
    let mut writing = visitor.write().await?;
    let tried = store::try_with(&mut writing, visitor, registration).await?;
    writing.commit(Recorded::nothing_changed()).await?;
    tried.ok_or_else(token_gone)
}

async fn forget(visitor: &Visitor, registration: Uuid) -> Result<()> {
    let mut writing = visitor.write().await?;
    store::forget(&mut writing, visitor, registration).await?;
    writing.commit(Recorded::nothing_changed()).await
}

async fn confirm(
    visitor: &Visitor,
    (registration, hash): (Uuid, &[u8]),
) -> Result<Option<NoContent>> {
    // A password was hashed since the token was looked at.
    let visitor = &visitor.anew();
    let mut writing = visitor.write().await?;
    let Some(user) = store::confirm(&mut writing, visitor, (registration, hash)).await? else {
        return Ok(None);
    };
    let event = Event::new(Action::UserRegistered, ResourceType::User, user).target(user).by(user);
    let recorded = audit::record_platform(&mut writing, visitor, event).await?;
    writing.commit(recorded).await?;
    Ok(Some(NoContent))
}
