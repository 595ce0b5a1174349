//! `/api/auth`: signing in and out, and who one is.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::failures::{self, Reason};
use super::store::{self, Credentials, OwnMandate, SessionRow};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::authorize::unauthenticated;
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::context::{Actor, Recorded, SessionContext, Visitor};
use crate::http::app::App;
use crate::http::attended;
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::http::rate_limit::Purse;
use crate::identity::lockout::{self, Trying};
use crate::identity::service_keys;
use crate::identity::sessions::{self, Life, NewSession, TokenAnswer, UsedFrom, VerifiedPassword};
use crate::identity::users::{self, User};
use crate::kernel::credentials::password::{Place, Verdict};
use crate::kernel::credentials::signing::KeySet;
use crate::kernel::credentials::token::SignedIn;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{SessionId, UserId};
use crate::kernel::names;

pub fn routes(app: &App) -> Routes {
    failures::begin_to_count();
    Routes::new()
        .routes(routes!(login).refuses(&[Code::InvalidCredentials, Code::AccountLocked]).guard(
            app,
            Policy::public().class(Class::Auth).charged_by_the_handler(Class::AuthAddress),
        ))
        .routes(
            routes!(logout).guard(
                app,
                Policy::own_session().before_the_password_is_changed().class(Class::Auth),
            ),
        )
        .routes(routes!(get_me).guard(
            app,
            Policy::own_session().before_the_password_is_changed().while_impersonating(),
        ))
        .routes(routes!(get_key_set).guard(app, Policy::public().class(Class::Public)))
}

/// Who signs in, and their password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The username, or an address that its owner confirmed.
    #[schema(example = "alice")]
    username: String,
    #[schema(example = "bailiwick-demo", format = Password)]
    password: String,
}

/// Signs in. Attempts are limited for each username from an address (class `auth`), and for each
/// address (`auth-address`). Five that fail within 15 minutes lock the name for 30 seconds, each
/// one after that for twice as long, up to an hour: for the right password too, and whether there
/// is such an account or not.
#[utoipa::path(post, path = "/api/auth/login", tag = "Sign-in", request_body = Login,
    responses((status = 200, description = "Signed in", body = TokenAnswer)))]
async fn login(
    State(app): State<App>,
    visitor: Visitor,
    purse: Purse,
    from: UsedFrom,
    body: Result<Json<Login>>,
) -> Result<Json<TokenAnswer>> {
    let name = body.as_ref().ok().and_then(|Json(body)| names::sign_in_key(&body.username));
    purse.charge_sign_in(name.as_deref())?;
    let Json(body) = body?;
    // Whoever has to come back costs nothing but this.
    let place = app.passwords().place()?;
    let typed = (name.unwrap_or_default(), body.password);
    let attempt = signed_in(app.clone(), visitor, place, typed, from);
    let signed_in = tokio::spawn(attempt.in_current_span()).await.map_err(Error::internal)??;
    attended::by_user(signed_in.user);
    TokenAnswer::of(&app, &signed_in, 1, signed_in.at).map(Json)
}

/// For a task of its own: whoever hangs up while a password is hashed has tried all the same, and
/// is told of; and who had the right one has not failed.
async fn signed_in(
    app: App,
    visitor: Visitor,
    place: Place,
    (name, password): (String, String),
    from: UsedFrom,
) -> Result<SignedIn> {
    let services = app.services().clone();
    let attempt = async move {
        let (found, trying) = retrying(|| let_try(&app, &visitor, &name)).await?;
        let account = found.as_ref().map(|found| found.user);
        let verified = verified(place, found, password).await;
        // What became of the attempt is decided now, at another time than whether it may be made:
        // who was not heard of for two minutes has failed already, however long a hash was waited
        // for.
        let visitor = visitor.anew();
        let judged = match verified {
            Ok(Ok(known)) => retrying(|| opened(&app, &visitor, &known, (&trying, &from))).await,
            Ok(Err(reason)) => Ok(Err(reason)),
            Err(error) => Err(error),
        };
        match judged {
            Ok(Ok(signed_in)) => Ok(signed_in),
            Ok(Err(reason)) => {
                Err(failures::refused(&app, visitor, (account, trying), reason).await)
            }
            Err(error) => {
                // Where that cannot be noted either, whoever tried is taken for one who failed.
                let _ = retrying(|| withdraw(&visitor, (account, &trying))).await;
                Err(error)
            }
        }
    };
    // In a box, since it is large.
    services.attended(Box::pin(attempt)).await
}

async fn withdraw(visitor: &Visitor, (account, trying): (Option<UserId>, &Trying)) -> Result<()> {
    let mut writing = visitor.write().await?;
    lockout::withdrawn(&mut writing, visitor, trying).await?;
    if let Some(user) = account {
        store::not_tried(&mut writing, visitor, user).await?;
    }
    writing.commit(Recorded::nothing_changed()).await
}

/// Whose name it is, once it is noted that somebody tries it.
async fn let_try(
    app: &App,
    visitor: &Visitor,
    name: &str,
) -> Result<(Option<Credentials>, Trying)> {
    let keys = lockout::Keys::of(app, name, visitor.meta().address);
    let mut writing = visitor.write().await?;
    let trying = lockout::attempt(&mut writing, visitor, keys, visitor.now()).await?;
    let trying = trying.inspect_err(|_| failures::count(Reason::Locked))?;
    let found = store::credentials(&mut writing, visitor, name).await?;
    writing.commit(Recorded::nothing_changed()).await?;
    Ok((found, trying))
}

/// The session, and that it was no failure; or why there is none.
async fn opened(
    app: &App,
    visitor: &Visitor,
    (user, password): &(UserId, VerifiedPassword),
    (trying, from): (&Trying, &UsedFrom),
) -> Result<Result<SignedIn, Reason>> {
    let (id, user, life) = (SessionId::new(), *user, Life::of(app.settings()));
    let now = visitor.now();
    let session = NewSession { id, user, password, now, life, from };
    let mut writing = visitor.write().await?;
    // The name's counter first, as whoever is let try does: then nobody waits for the other.
    lockout::succeeded(&mut writing, visitor, trying).await?;
    let Some(signed_in) = sessions::open(&mut writing, visitor, &session).await? else {
        // Disabled since the password was looked at, or the password is another one.
        let enabled = store::is_enabled(&mut writing, visitor, user).await?;
        return Ok(Err(if enabled { Reason::WrongPassword } else { Reason::AccountDisabled }));
    };
    let event = Event::new(Action::UserSignedIn, ResourceType::Session, id).target(user).by(user);
    let recorded = audit::record_platform(&mut writing, visitor, event).await?;
    writing.commit(recorded).await?;
    Ok(Ok(signed_in))
}

/// Who may sign in with the password; else why not. Each of them takes the same work.
async fn verified(
    place: Place,
    found: Option<Credentials>,
    password: String,
) -> Result<Result<(UserId, VerifiedPassword), Reason>> {
    let usable = match found {
        None => Err(Reason::UnknownAccount),
        Some(account) if !account.enabled => Err(Reason::AccountDisabled),
        Some(Credentials { password_hash: None, .. }) => Err(Reason::NoPassword),
        Some(account) if account.is_spent => Err(Reason::PasswordSpent),
        Some(Credentials { user, password_hash: Some(hash), password_version, .. }) => {
            Ok((user, hash, password_version))
        }
    };
    let hash = usable.as_ref().ok().map(|(_, hash, _)| hash.clone());
    let verdict = place.judge(password, hash).await?;
    Ok(usable.and_then(|(user, _, version)| match verdict {
        Verdict::Right { stronger } => {
            Ok((user, VerifiedPassword { version, stronger_hash: stronger }))
        }
        Verdict::Wrong => Err(Reason::WrongPassword),
    }))
}

/// Ends the session. Its tokens stop working with the next request, on every node.
#[utoipa::path(post, path = "/api/auth/logout", tag = "Sign-in",
    responses((status = 204, description = "Signed out")))]
async fn logout(context: SessionContext) -> Result<NoContent> {
    let (caller, session) = (context.caller(), context.session());
    retrying(async || {
        let mut writing = caller.write().await?;
        if !sessions::end_own(&mut writing, &context).await? {
            // Another request was faster, and told of it.
            return Err(unauthenticated());
        }
        let event =
            Event::new(Action::UserSignedOut, ResourceType::Session, session).target(caller.user());
        let recorded = audit::record_platform(&mut writing, caller, event).await?;
        writing.commit(recorded).await
    })
    .await?;
    Ok(NoContent)
}

/// The signed-in user: their account, the mandates that are open to them, and the session.
#[derive(Serialize, ToSchema)]
pub struct Me {
    #[serde(flatten)]
    user: User,
    mandates: Vec<OwnMandate>,
    session: OwnSession,
}

/// The session of the token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnSession {
    id: SessionId,
    created_at: DateTime<Utc>,
    #[schema(example = "2026-04-01T08:15:00Z")]
    expires_at: DateTime<Utc>,
    /// The SysAdmin who acts in it as its user; null where nobody does.
    impersonated_by: Option<UserId>,
    #[schema(example = json!(null))]
    impersonated_by_name: Option<String>,
}

/// Who is signed in, and where they may work. Who acts as somebody else is told who they act as,
/// with the mandates that allow it, and with what these know of the person.
#[utoipa::path(get, path = "/api/auth/me", tag = "Sign-in",
    responses((status = 200, description = "The signed-in user", body = Me)))]
async fn get_me(context: SessionContext) -> Result<Json<Me>> {
    let mut reading = context.caller().read().await?;
    let user = users::find_own(&mut reading, context.caller()).await?;
    let session = store::session(&mut reading, &context).await?;
    reading.finish().await?;
    let SessionRow { created_at, expires_at, impersonated_by, .. } = session;
    let user = match impersonated_by {
        Some(_) => user.as_mandates_see_it(session.is_known),
        None => user,
    };
    let own = OwnSession {
        id: context.session(),
        created_at,
        expires_at,
        impersonated_by,
        impersonated_by_name: session.impersonated_by_name,
    };
    Ok(Json(Me { user, mandates: session.mandates, session: own }))
}

/// The public keys that verify access tokens (RFC 7517). Applications may keep them for an hour.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "Sign-in",
    responses((status = 200, description = "A JWK set", body = KeySet)))]
async fn get_key_set(
    State(app): State<App>,
) -> ([(axum::http::HeaderName, String); 1], Json<KeySet>) {
    let kept = format!("public, max-age={}", service_keys::PUBLISHED_BEFORE.num_seconds());
    ([(axum::http::header::CACHE_CONTROL, kept)], Json(app.tokens().key_set()))
}
