//! `POST /api/auth/step-up`.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::context::SessionContext;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::authorize::unauthenticated;
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::extract::Json;
use crate::http::guard::{Guard, Routes};
use crate::identity::sessions::{self, BearerToken};
use crate::identity::users;
use crate::kernel::error::{Code, Result};

pub fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(step_up).refuses(&[Code::InvalidCredentials, Code::AccountLocked]).guard(
            app,
            Policy::own_session()
                .before_the_password_is_changed()
                .class(Class::Auth)
                .kept_for_no_repetition(),
        ),
    )
}

/// What shows who one is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// One's own.
    #[schema(example = "bailiwick-demo", format = Password)]
    password: String,
}

/// Shows anew who one is, where something asks for it (RFC 9470). Answers an access token of the
/// same session whose `auth_time` is now; tokens of before stay as they are, and what is refreshed
/// after it has that time, too. Wrong passwords are counted, and lock this and other routes that
/// ask for one's own password.
#[utoipa::path(post, path = "/api/auth/step-up", tag = "Sign-in", request_body = StepUp,
    responses((status = 200, description = "A token that is good for it", body = BearerToken)))]
async fn step_up(
    State(app): State<App>,
    context: SessionContext,
    Json(body): Json<StepUp>,
) -> Result<Json<BearerToken>> {
    let caller = users::require_password(&app, context.caller(), body.password).await?;
    let now = caller.now();
    let signed_in = retrying(async || {
        let mut writing = caller.write().await?;
        let stepped_up = sessions::step_up(&mut writing, &context, now).await?;
        let signed_in = stepped_up.ok_or_else(unauthenticated)?;
        let event = Event::new(Action::SteppedUp, ResourceType::Session, context.session())
            .target(caller.user());
        let recorded = audit::record_platform(&mut writing, &caller, event).await?;
        writing.commit(recorded).await?;
        Ok(signed_in)
    })
    .await?;
    BearerToken::of(&app, &signed_in, now).map(Json)
}
