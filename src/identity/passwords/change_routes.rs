//! `PUT /api/auth/password`.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::store::{self, OwnPassword};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Locks, SessionContext};
use crate::http::app::App;
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::identity::mails::{self, Kind};
use crate::identity::{sessions, users};
use crate::kernel::credentials::password;
use crate::kernel::error::{Code, Error, FieldError, Reason, Result};

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(change_password)
            .refuses(&[Code::InvalidCredentials, Code::AccountLocked, Code::Unavailable])
            .guard(
                app,
                Policy::own_session()
                    .before_the_password_is_changed()
                    .after_a_step_up()
                    .class(Class::Auth)
                    .kept_for_no_repetition(),
            ),
    )
}

/// The password that one has, and the one that one wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    #[schema(example = "bailiwick-demo", format = Password)]
    current: String,
    /// 15 to 128 characters unless the service was told otherwise, not easily guessed.
    #[schema(example = "quiet-Harbour-58-lantern", format = Password)]
    password: String,
}

/// Changes one's own password. The caller's other sessions end; the one that calls stays, and
/// reaches everything, also where somebody else had chosen the password of before.
#[utoipa::path(put, path = "/api/auth/password", tag = "Sign-in", request_body = ChangePassword,
    responses((status = 204, description = "Changed")))]
async fn change_password(
    State(app): State<App>,
    context: SessionContext,
    Json(body): Json<ChangePassword>,
) -> Result<NoContent> {
    let caller = context.caller();
    let mut reading = caller.read().await?;
    let before = store::own_password(&mut reading, caller.account()).await?;
    reading.finish().await?;
    users::require_password(&app, caller, body.current.clone()).await?;
    let hash = chosen(&app, &before, &body.current, body.password).await?;
    retrying(|| set_password(&app, &context, &before, &hash)).await
}

async fn set_password(
    app: &App,
    context: &SessionContext,
    before: &OwnPassword,
    hash: &str,
) -> Result<NoContent> {
    let (caller, account) = (context.caller(), context.caller().account());
    let mut change = caller.change(Locks::users([caller.user()])).await?;
    let now = change.context.now();
    sessions::end_all(&mut change, account, Some(context.session()), now).await?;
    if !store::change_password(&mut change, account, before, hash).await? {
        // Another request was faster: what was sent is the password no more.
        return Err(wrong_password());
    }
    let event = Event::new(Action::PasswordChanged, ResourceType::User, caller.user())
        .target(caller.user());
    let (connection, caller) = change.acting();
    mails::tell(connection, app, caller, (caller.user(), None), Kind::PasswordChanged).await?;
    let recorded = change.record_platform(event).await?;
    change.commit(recorded).await?;
    Ok(NoContent)
}

fn wrong_password() -> Error {
    Error::new(Code::InvalidCredentials, "The password is wrong.")
}

/// The hash of a password that is another one, and good enough.
async fn chosen(
    app: &App,
    before: &OwnPassword,
    current: &str,
    password: String,
) -> Result<String> {
    if password::is_same(current, &password) {
        let same = FieldError::new("/password", "unchanged", "must be another one");
        return Err(same
            .because(vec![Reason::new("unchanged", "It is the password that you have.")])
            .into());
    }
    let names: Vec<&str> = before.names.iter().map(String::as_str).collect();
    let passwords = app.passwords();
    let judged = passwords.new_hash("/password", password, &names).await?;
    judged.map_err(|fault| Error::invalid(vec![fault]))
}
