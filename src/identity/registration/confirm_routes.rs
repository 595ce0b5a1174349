//! `POST /api/auth/verify`: confirming an address.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::store::{self, Tried};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::mailed::{self, Purpose, token_gone};
use crate::context::policy::{Class, Policy};
use crate::context::{Recorded, Visitor};
use crate::http::app::App;
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::kernel::credentials::mailed::MailedToken;
use crate::kernel::error::{Code, Error, FieldError, Result};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(verify_address)
            .refuses(&[Code::TokenGone, Code::InvalidCredentials, Code::UsernameTaken])
            .guard(app, Policy::public().class(Class::Auth)),
    )
}

/// A token that was mailed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyAddress {
    #[schema(example = "bwm_q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoAA", format = Password)]
    token: String,
    /// The one that was registered.
    #[schema(format = Password, example = "harbour-Lantern-27-moss")]
    password: Option<String>,
}

/// Confirms the address of a registration, and makes the account: with the token that was mailed
/// and the password that was registered. Five wrong passwords end the registration.
#[utoipa::path(post, path = "/api/auth/verify", tag = "Sign-in", request_body = VerifyAddress,
    responses((status = 204, description = "Confirmed"),
              (status = 410, description = "The token is good no more")))]
async fn verify_address(
    State(app): State<App>,
    visitor: Visitor,
    Json(body): Json<VerifyAddress>,
) -> Result<NoContent> {
    let token = MailedToken::read(&body.token).ok_or_else(token_gone)?;
    let hash = token.hash(app.keys());
    let mut reading = visitor.read().await?;
    let registration =
        mailed::subject(&mut reading, &visitor, Purpose::Registration, &hash).await?;
    reading.finish().await?;
    let registration = registration.ok_or_else(token_gone)?;
    let Some(password) = body.password else {
        let missing = FieldError::new("/password", "required", "is required to confirm this");
        return Err(Error::invalid(vec![missing]));
    };
    // Whoever has to come back has not tried.
    let place = app.passwords().place()?;
    let tried = retrying(|| try_with(&visitor, registration)).await?;
    if !place.verify(password, Some(tried.password_hash.clone())).await? {
        retrying(|| failed(&visitor, &tried)).await?;
        return Err(Error::new(Code::InvalidCredentials, "The password is wrong."));
    }
    retrying(|| confirm(&visitor, (tried.id, &hash))).await
}

async fn try_with(visitor: &Visitor, registration: Uuid) -> Result<Tried> {
    let mut writing = visitor.write().await?;
    let tried = store::try_with(&mut writing, visitor, registration).await?;
    writing.commit(Recorded::nothing_changed()).await?;
    tried.ok_or_else(token_gone)
}

async fn failed(visitor: &Visitor, tried: &Tried) -> Result<()> {
    if !tried.was_the_last {
        return Ok(());
    }
    let mut writing = visitor.write().await?;
    store::forget(&mut writing, visitor, tried.id).await?;
    writing.commit(Recorded::nothing_changed()).await
}

async fn confirm(visitor: &Visitor, (registration, hash): (Uuid, &[u8])) -> Result<NoContent> {
    let mut writing = visitor.write().await?;
    let user = store::confirm(&mut writing, visitor, (registration, hash)).await?;
    let event = Event::new(Action::UserRegistered, ResourceType::User, user).target(user).by(user);
    let recorded = audit::record_platform(&mut writing, visitor, event).await?;
    writing.commit(recorded).await?;
    Ok(NoContent)
}
