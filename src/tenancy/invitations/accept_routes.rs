//! `POST /api/invitations/accept`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::accept::{self, Wanted};
use super::store;
use crate::context::authorize::unauthenticated;
use crate::context::change::retrying;
use crate::context::mailed::token_gone;
use crate::context::policy::{Class, Policy};
use crate::context::{Guest, Invited, Recorded};
use crate::http::app::App;
use crate::http::extract::{Created, Json};
use crate::http::guard::{Guard, Routes};
use crate::http::preferred_language::PreferredLanguage;
use crate::identity::registration;
use crate::identity::users::username_taken;
use crate::kernel::credentials::mailed::MailedToken;
use crate::kernel::error::{Code, Error, Result, keep};
use crate::kernel::ids::{MandateId, UserId};
use crate::kernel::names;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(accept_invitation)
            .refuses(&[
                Code::TokenGone,
                Code::InvitationNotYours,
                Code::AlreadyMember,
                Code::AccountExists,
                Code::UsernameTaken,
                Code::Unavailable,
            ])
            .guard(app, Policy::anybody().class(Class::Auth)),
    )
}

/// A token that was mailed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitation {
    #[schema(example = "bwm_q0kPZ3mH1vX8nJ5sW2bT7QGQAAAAAHAAgAAAAAAAoAA", format = Password)]
    token: String,
    /// The account that is to be made, where the address has none.
    register: Option<RegisterInvited>,
}

/// An account that somebody wants who was invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterInvited {
    #[schema(example = "erin")]
    username: String,
    /// 15 to 128 characters unless the service was told otherwise, not easily guessed.
    #[schema(format = Password, example = "harbour-Lantern-27-moss")]
    password: String,
}

/// Of what somebody is a member now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedInvitation {
    mandate_id: MandateId,
    user_id: UserId,
}

/// With or without an account that was made for it.
enum Joined {
    Registered(AcceptedInvitation),
    SignedIn(AcceptedInvitation),
}

impl IntoResponse for Joined {
    fn into_response(self) -> Response {
        match self {
            Self::SignedIn(joined) => Json(joined).into_response(),
            Self::Registered(joined) => {
                let location = format!("/api/users/{}", joined.user_id);
                Created { location, answer: Json(joined) }.into_response()
            }
        }
    }
}

/// Accepts an invitation. Either as the signed-in holder of the address that it was mailed to, or
/// with `register`, which makes an account for that address, also where nobody registers by
/// themselves. The address is confirmed by it. No session is begun: sign in then. Who is a member
/// already stays what they are.
#[utoipa::path(post, path = "/api/invitations/accept", tag = "Members",
    request_body = AcceptInvitation,
    responses((status = 200, description = "A member", body = AcceptedInvitation),
              (status = 201, description = "A member, with an account that was made",
                  body = AcceptedInvitation),
              (status = 410, description = "The token is good no more, or what it promises is not \
                  given any more: whoever invited can tell")))]
async fn accept_invitation(
    State(app): State<App>,
    guest: Guest,
    PreferredLanguage(language): PreferredLanguage,
    Json(body): Json<AcceptInvitation>,
) -> Result<Joined> {
    // Whoever registers is nobody yet, whoever else is signed in at their place.
    let guest = if body.register.is_some() { guest.as_nobody() } else { guest };
    let token = MailedToken::read(&body.token).ok_or_else(token_gone)?.hash(&app.keys());
    let invited = guest.invited(&token).await?;
    let accepted = match body.register {
        None => join(&guest, (&invited, &token)).await,
        Some(new) => register(&app, &guest, (new, language), (&invited, &token)).await,
    };
    if let Err(refusal) = &accepted
        && is_the_inviters(refusal.code())
    {
        note(&guest.anew(), &invited, refusal).await?;
        return Err(token_gone());
    }
    accepted
}

/// Whether it is refused because of what whoever invited may do, or of what is there no more:
/// whatever is not about whoever accepts. They do not learn it.
fn is_the_inviters(code: Code) -> bool {
    let theirs = [
        Code::TokenGone,
        Code::Unauthenticated,
        Code::InvitationNotYours,
        Code::AlreadyMember,
        Code::AccountExists,
        Code::UsernameTaken,
        Code::ValidationFailed,
    ];
    code.status() < 500 && !theirs.contains(&code)
}

async fn note(guest: &Guest, invited: &Invited, refusal: &Error) -> Result<()> {
    let mut writing = guest.write().await?;
    store::note_refusal(&mut writing, guest, invited, refusal).await?;
    writing.commit(Recorded::nothing_changed()).await
}

fn joined(invited: &Invited, user_id: UserId) -> AcceptedInvitation {
    AcceptedInvitation { mandate_id: invited.mandate(), user_id }
}

async fn join(guest: &Guest, of: (&Invited, &[u8])) -> Result<Joined> {
    let caller = guest.caller().ok_or_else(unauthenticated)?;
    // Before whoever invited is asked about: an invitation for somebody else tells nothing.
    let mut reading = guest.read().await?;
    accept::is_to_confirm(&mut reading, caller, of.0).await?;
    reading.finish().await?;
    let user = retrying(|| accept::join(guest, caller, of)).await?;
    Ok(Joined::SignedIn(joined(of.0, user)))
}

async fn register(
    app: &App,
    guest: &Guest,
    (new, language): (RegisterInvited, String),
    of: (&Invited, &[u8]),
) -> Result<Joined> {
    retrying(|| accept::require_would_be_given(guest, of)).await?;
    let wanted = judged(app, guest, (new, language), of.0).await?;
    let user = retrying(|| accept::register(guest, &wanted, of)).await?;
    Ok(Joined::Registered(joined(of.0, user)))
}

async fn judged(
    app: &App,
    guest: &Guest,
    (new, language): (RegisterInvited, String),
    invited: &Invited,
) -> Result<Wanted> {
    let (mut errors, passwords) = (Vec::new(), app.passwords());
    let own = [new.username.as_str(), invited.email()];
    let pointer = "/register/password";
    let Some(username) =
        keep(names::checked_username("/register/username", &new.username), &mut errors)
    else {
        // All that is wrong is told at once, but nothing is hashed in vain.
        errors.extend(passwords.fault(pointer, new.password.clone(), &own).await?);
        return Err(Error::invalid(errors));
    };
    let mut reading = guest.read().await?;
    let is_taken = registration::is_taken(&mut reading, guest.visitor(), &username).await?;
    reading.finish().await?;
    if is_taken {
        return Err(username_taken());
    }
    let hash = passwords.new_hash(pointer, new.password.clone(), &own).await?;
    let password_hash = hash.map_err(|fault| Error::invalid(vec![fault]))?;
    Ok(Wanted { username, language, password_hash })
}
