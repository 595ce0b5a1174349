//! `POST /api/auth/password/forgot`.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::context::Visitor;
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::identity::mails::{self, AskedFor};
use crate::identity::users::checked_email;
use crate::kernel::error::{Error, Result};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(request_password_reset).guard(app, Policy::public().class(Class::Auth)))
}

/// An address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestPasswordReset {
    #[schema(example = "erin@acme.example")]
    email: String,
}

/// Asks for a mail with a token to choose another password. It is sent where an enabled account has
/// the address and its owner confirmed it; answered alike whether it is. At most three mails an
/// hour for an address.
#[utoipa::path(post, path = "/api/auth/password/forgot", tag = "Sign-in",
    request_body = RequestPasswordReset,
    responses((status = 204, description = "If somebody has the address, they get a mail")))]
async fn request_password_reset(
    State(app): State<App>,
    visitor: Visitor,
    Json(body): Json<RequestPasswordReset>,
) -> Result<NoContent> {
    let (_, email_key) = checked_email(&body.email).map_err(|fault| Error::invalid(vec![fault]))?;
    let asked = (AskedFor::Reset, email_key.as_str());
    retrying(|| mails::note_asked_for(&app, &visitor, asked)).await?;
    Ok(NoContent)
}
