//! `POST /api/users/{userId}/email`: another address for one's own account.

use axum::extract::State;
use chrono::Duration;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::own_address::Wanted;
use super::request::checked_email;
use super::routes::updated;
use super::{AccountPath, User, find, own_address};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::authorize::{OwnAccount, unauthenticated};
use crate::context::change::retrying;
use crate::context::mailed::{self, Purpose, token_gone};
use crate::context::policy::{Class, Policy};
use crate::context::{Account, Locks, Recorded, Visitor};
use crate::http::app::App;
use crate::http::extract::{Accepted, FromPath, Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::identity::mails::{self, Kind};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::UserId;
use crate::kernel::names;

/// How long somebody may take to confirm.
const KEPT_FOR: Duration = Duration::hours(24);

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(request_email_change)
            .guard(app, Policy::oneself().after_a_step_up().class(Class::Auth)),
    )
}

/// An address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestEmailChange {
    #[schema(example = "bob@globex.example")]
    email: String,
}

/// Asks for another address of one's own account, or to confirm the one that it has. A token is
/// mailed there, and `POST /api/auth/verify` takes it within 24 hours; until then the account keeps
/// its address, which is told of it. Whether another account has the address is told there, and
/// nowhere else.
#[utoipa::path(post, path = "/api/users/{userId}/email", tag = "Users", params(AccountPath),
    request_body = RequestEmailChange,
    responses((status = 202, description = "A mail is on its way", body = Accepted)))]
async fn request_email_change(
    State(app): State<App>,
    own: OwnAccount,
    FromPath(AccountPath { .. }): FromPath<AccountPath>,
    Json(body): Json<RequestEmailChange>,
) -> Result<Accepted> {
    let wanted = checked_email(&body.email).map_err(|fault| Error::invalid(vec![fault]))?;
    retrying(|| want(&app, &own, &wanted)).await
}

async fn want(
    app: &App,
    own: &OwnAccount,
    (email, email_key): &(String, String),
) -> Result<Accepted> {
    let (caller, user) = (own.caller(), own.caller().user());
    // Locked, and the session asked about under the lock: what is wanted of an account ends with
    // whatever else changes it, and nobody begins it in a session that was ended.
    let mut change = caller.change(Locks::users([user])).await?;
    let before = find::find(&mut change, caller.account()).await?.ok_or_else(unauthenticated)?;
    let present_key = key_of(&before);
    let has_it = present_key.as_deref() == Some(email_key.as_str());
    if has_it && before.email_verified {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(Accepted {});
    }
    let (connection, caller) = change.acting();
    let wanted =
        Wanted { email, email_key, session: own.session(), expires_at: caller.now() + KEPT_FOR };
    own_address::keep_wanted(connection, caller.account(), &wanted).await?;
    let address = (email.as_str(), email_key.as_str());
    let is_asked = mails::ask_to_confirm_address(connection, app, caller, user, address).await?;
    if let Some(present) = before.email.as_deref().zip(present_key.as_deref())
        && is_asked
        && !has_it
    {
        mails::tell_of_wanted_address(connection, app, caller, user, present).await?;
    }
    let event = Event::new(Action::EmailChangeRequested, ResourceType::User, user).target(user);
    let recorded = change.record_platform(event).await?;
    change.commit(recorded).await?;
    Ok(Accepted {})
}

/// Confirms it, with the token that was mailed.
pub async fn confirm_address(
    app: &App,
    visitor: &Visitor,
    user: UserId,
    token: &[u8],
) -> Result<NoContent> {
    let mut writing = visitor.write().await?;
    let redeemed = mailed::redeem(&mut writing, visitor, (Purpose::Address, user), token).await?;
    let redeemed = redeemed.ok_or_else(token_gone)?;
    let (account, about) = (redeemed.account(), redeemed.about().ok_or_else(token_gone)?);
    let before = find::find(&mut writing, account).await?.ok_or_else(token_gone)?;
    let after = own_address::confirm(&mut writing, account, (about, visitor.now())).await?;
    if let Some(earlier) = before.email.as_deref().filter(|_| key_of(&before) != key_of(&after)) {
        mails::tell(&mut writing, app, visitor, (user, Some(earlier)), Kind::AddressChanged)
            .await?;
    }
    let event = updated(&before, &after).by(user);
    let recorded = audit::record_platform(&mut writing, visitor, event).await?;
    writing.commit(recorded).await?;
    Ok(NoContent)
}

/// Confirms the address that an account has, where a token was mailed to it for something else; the
/// event of that.
pub async fn confirm_present(connection: &mut PgConnection, account: Account) -> Result<Event> {
    let before = find::find(connection, account).await?.ok_or_else(token_gone)?;
    let after = own_address::confirm_present(connection, account).await?;
    Ok(updated(&before, &after))
}

/// What the account's address is compared by.
pub(super) fn key_of(user: &User) -> Option<String> {
    user.email.as_deref().and_then(names::address_key)
}
