//! `/api/auth/impersonate`: acting as somebody else, and ending it.

use axum::extract::State;
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::store::{self, Target};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::authorize::{not_in_their_place, unauthenticated};
use crate::context::change::retrying;
use crate::context::impersonation::{Impersonator, mandates_open_to};
use crate::context::policy::{Class, Policy};
use crate::context::{Account, Caller, Change, Locks, SessionContext, SystemContext};
use crate::http::app::App;
use crate::http::extract::{Created, Json, NoContent, OptionalJson};
use crate::http::guard::{Guard, Routes};
use crate::identity::sessions::{self, BearerToken};
use crate::kernel::credentials::token::SignedIn;
use crate::kernel::error::{Code, Error, FieldError, Result};
use crate::kernel::ids::{SessionId, UserId};
use crate::kernel::missing::Thing;
use crate::kernel::names;

/// It is not renewed.
const LASTS: Duration = Duration::minutes(15);

pub fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(
            routes!(start_impersonation)
                .refuses(&[
                    Code::NotFound,
                    Code::OperationNotAllowed,
                    Code::ImpersonationNotAllowed,
                ])
                .guard(app, Policy::sys().class(Class::Auth).kept_for_no_repetition()),
        )
        .routes(
            routes!(end_impersonation)
                .refuses(&[Code::NotFound, Code::OperationNotAllowed])
                .guard(app, Policy::impersonator().class(Class::Auth)),
        )
}

/// As whom to act, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StartImpersonation {
    user_id: UserId,
    /// Told to the mandates' admins in their trails, and taken away when either account is erased.
    #[schema(min_length = 1, max_length = 500, example = "Ticket 4711: sees no bookings")]
    reason: String,
}

/// Acts as somebody else for 15 minutes at most, in the mandates whose admins allow it. Reads what
/// they read there and works as they work, but changes nothing of who may do what, of their account
/// or of their sessions; nobody acts as a SysAdmin. The token says who acts (`act`, RFC 8693), the
/// person sees it among their sessions, and the trail of each mandate tells of what is done in it.
/// An earlier one as the same person ends with it.
#[utoipa::path(post, path = "/api/auth/impersonate", tag = "Sign-in",
    request_body = StartImpersonation,
    responses((status = 201, description = "A token of the person's", body = BearerToken)))]
async fn start_impersonation(
    State(app): State<App>,
    system: SystemContext,
    Json(body): Json<StartImpersonation>,
) -> Result<Created<Json<BearerToken>>> {
    let reason = names::checked_reason("/reason", &body.reason)?;
    let account = system.system().account(body.user_id);
    // There is no refresh token: what outlasts its only token is of no use.
    let lasts = LASTS.min(Duration::minutes(i64::from(app.settings().access_token_minutes)));
    let (signed_in, now) = retrying(|| start(&system, account, (&reason, lasts))).await?;
    let location = format!("/api/users/{}/sessions/{}", signed_in.user, signed_in.session);
    let answer = Json(BearerToken::of(&app, &signed_in, now)?);
    Ok(Created { location, answer })
}

/// Under the locks of both accounts: neither becomes what it may not be meanwhile.
async fn start(
    system: &SystemContext,
    account: Account,
    (reason, lasts): (&str, Duration),
) -> Result<(SignedIn, DateTime<Utc>)> {
    let (by, parent) =
        system.caller().map(Caller::user).zip(system.session()).ok_or_else(unauthenticated)?;
    let mut change = system.change(Locks::users([by, account.user()])).await?;
    let target = store::target(&mut change, account).await?;
    let mandates = match target {
        None => return Err(Thing::User.missing("/userId")),
        Some(Target { is_sys_admin: true, .. }) => {
            let detail = "Nobody acts as a SysAdmin.";
            return Err(Error::new(Code::OperationNotAllowed, detail));
        }
        Some(Target { enabled: false, .. }) => Vec::new(),
        Some(_) => mandates_open_to(&mut *change, account).await?,
    };
    if mandates.is_empty() {
        let detail = "No mandate that the user can work in lets SysAdmins act as its members.";
        return Err(Error::new(Code::ImpersonationNotAllowed, detail));
    }
    let now = change.context.now();
    // First, as whoever ends it does: then nobody waits for the other.
    let parent = store::hold(&mut change, system.system(), (by, parent))
        .await?
        .ok_or_else(unauthenticated)?;
    store::end(&mut change, account, (by, now)).await?;
    let id = SessionId::new();
    let ends_at = parent.ends_at.min(now + lasts);
    store::open(&mut change, account, (id, &parent), (now, ends_at)).await?;
    let event = Event::new(Action::ImpersonationStarted, ResourceType::Session, id)
        .target(account.user())
        .because(reason);
    let recorded = change.record_everywhere(&mandates, event).await?;
    change.commit(recorded).await?;
    let signed_in = SignedIn {
        user: account.user(),
        session: id,
        at: parent.authenticated_at,
        ends_at,
        impersonated_by: Some(by),
    };
    Ok((signed_in, now))
}

/// As whom not to act any more; not needed with the token of the impersonation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EndImpersonation {
    user_id: UserId,
}

/// Ends acting as somebody else, with the token for that, or with one's own and as whom one acts.
/// The token is good for nothing with the next request, on every node.
#[utoipa::path(delete, path = "/api/auth/impersonate", tag = "Sign-in",
    request_body = Option<EndImpersonation>,
    responses((status = 204, description = "Ended")))]
async fn end_impersonation(
    impersonator: Impersonator,
    OptionalJson(body): OptionalJson<EndImpersonation>,
) -> Result<NoContent> {
    let named = body.map(|body| body.user_id);
    match impersonator {
        Impersonator::Acting(context) => retrying(|| end_own(&context, named)).await?,
        Impersonator::Oneself(system) => {
            let named = named.ok_or_else(|| {
                FieldError::new("/userId", "required", "is required with a token of one's own")
            })?;
            retrying(|| end(&system, system.system().account(named))).await?;
        }
    }
    Ok(NoContent)
}

async fn end_own(context: &SessionContext, named: Option<UserId>) -> Result<()> {
    let caller = context.caller();
    if named.is_some_and(|named| named != caller.user()) {
        return Err(not_in_their_place());
    }
    let mut writing = caller.write().await?;
    if !sessions::end_own(&mut writing, context).await? {
        // Another request was faster, and told of it.
        return Err(unauthenticated());
    }
    let mandates = mandates_open_to(&mut *writing, caller.account()).await?;
    let event = Event::new(Action::ImpersonationEnded, ResourceType::Session, context.session());
    let event = event.target(caller.user());
    let recorded = audit::record_everywhere(&mut writing, caller, &mandates, event).await?;
    writing.commit(recorded).await
}

async fn end(system: &SystemContext, account: Account) -> Result<()> {
    let mut change: Change<SystemContext> = system.change(Locks::users([account.user()])).await?;
    let by = system.caller().map(Caller::user).ok_or_else(unauthenticated)?;
    let now = change.context.now();
    if store::end(&mut change, account, (by, now)).await? == 0 {
        let fault = FieldError::new("/userId", "unknown_user", "names nobody as whom you act");
        return Err(Error::unknown(vec![fault]));
    }
    let mandates = mandates_open_to(&mut *change, account).await?;
    let event = Event::new(Action::ImpersonationEnded, ResourceType::User, account.user());
    let recorded = change.record_everywhere(&mandates, event.target(account.user())).await?;
    change.commit(recorded).await
}
