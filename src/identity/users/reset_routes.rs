//! `POST /api/users/{userId}/password-reset`: another password for who asks a SysAdmin.

use axum::extract::State;
use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{AccountPath, User, find, store};
use crate::context::audit::{Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::mailed::Purpose;
use crate::context::policy::{Class, Policy};
use crate::context::{Account, Change, Locks, SystemContext};
use crate::http::app::App;
use crate::http::extract::{FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::identity::mails::{self, Kind, NewToken};
use crate::kernel::error::{Code, Error, FieldError, Result};

/// How long a link that is handed out is good, once it is.
const GOOD_FOR: Duration = Duration::hours(24);

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(offer_password_reset)
            .refuses(&[Code::Gone, Code::ValidationFailed])
            .guard(app, Policy::sys().class(Class::Auth).kept_for_no_repetition()),
    )
}

/// How the reset reaches whose account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetDelivery {
    /// Mailed to the account's address.
    Mail,
    /// Told here, this once: hand it over yourself.
    Link,
}

/// A reset that was offered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedReset {
    delivery: ResetDelivery,
    /// Where it is not mailed.
    #[schema(
        example = "https://app.example/reset?token=bwm_q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoAA"
    )]
    link: Option<String>,
    /// The token in the link.
    #[schema(example = "bwm_q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoAA")]
    token: Option<String>,
    /// From when on the link is good.
    valid_from: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
}

/// Offers somebody to choose another password. By mail, to an address that they confirmed, or to
/// any of an account that nobody has used yet. Else the answer has the link, which is good
/// after `BAILIWICK_RESET_DELAY_HOURS`; the person is told at every address that the account has or
/// had, and ends it by changing their password. The mandates that they belong to hear of it.
#[utoipa::path(post, path = "/api/users/{userId}/password-reset", tag = "Users",
    params(AccountPath),
    responses((status = 200, description = "How it reaches them", body = OfferedReset),
              (status = 410, description = "Erased")))]
async fn offer_password_reset(
    State(app): State<App>,
    system: SystemContext,
    FromPath(AccountPath { user_id: user }): FromPath<AccountPath>,
) -> Result<Json<OfferedReset>> {
    let account = system.system().account(user);
    retrying(|| offer(&app, &system, account)).await.map(Json)
}

async fn offer(app: &App, system: &SystemContext, account: Account) -> Result<OfferedReset> {
    let mut change = system.change(Locks::users([account.user()])).await?;
    let Some(found) = find::find_for_change(&mut change, account).await? else {
        return Err(find::missing(&mut change, account).await?);
    };
    if !found.enabled {
        let fault = FieldError::new("/userId", "disabled", "is disabled: enable it first");
        return Err(Error::invalid(vec![fault]));
    }
    let by_mail = app.mailer().is_set_up() && may_be_mailed(&mut change, account, &found).await?;
    let offered = if by_mail {
        let (connection, system) = change.acting();
        mails::send_reset(connection, system, account.user()).await?;
        OfferedReset {
            delivery: ResetDelivery::Mail,
            link: None,
            token: None,
            valid_from: None,
            expires_at: None,
        }
    } else {
        handed_out(app, &mut change, account).await?
    };
    let told = store::mandates_of(&mut change, account).await?;
    let event = Event::new(Action::PasswordResetRequested, ResourceType::User, account.user())
        .target(account.user())
        .details(json!({ "delivery": offered.delivery }));
    let recorded = change.record_everywhere(&told, event).await?;
    change.commit(recorded).await?;
    Ok(offered)
}

/// An address that somebody else set is nobody's proof, but of an account that nobody used yet.
async fn may_be_mailed(
    connection: &mut PgConnection,
    account: Account,
    user: &User,
) -> Result<bool> {
    Ok(user.email.is_some()
        && (user.email_verified || store::was_never_used(connection, account).await?))
}

async fn handed_out(
    app: &App,
    change: &mut Change<SystemContext>,
    account: Account,
) -> Result<OfferedReset> {
    let (connection, system) = change.acting();
    let hours = if app.mailer().is_set_up() { app.settings().reset_delay_hours } else { 0 };
    let valid_from = system.now() + Duration::hours(i64::from(hours));
    let (purpose, subject) = (Purpose::Reset, account.user().uuid());
    let expires_at = valid_from + GOOD_FOR;
    let new = NewToken { purpose, subject, about: None, valid_from, expires_at };
    let handed = mails::hand(connection, app, system.system(), new).await?;
    mails::tell_everywhere(connection, app, system, account, Kind::ResetHandedOut).await?;
    Ok(OfferedReset {
        delivery: ResetDelivery::Link,
        link: Some(handed.link),
        token: Some(handed.token),
        valid_from: Some(valid_from),
        expires_at: Some(expires_at),
    })
}
