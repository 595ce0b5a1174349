//! `DELETE /api/users/{userId}?mode=erase`: a person is forgotten, and the account stays as a
//! pseudonym.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{AccountPath, erasure, find, last, own_password, store};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::authorize::Accounts;
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Account, Actor, Caller, Change, Locks, SystemContext};
use crate::http::app::App;
use crate::http::etag::Precondition;
use crate::http::extract::{FromPath, Json, OptionalJson, Query};
use crate::http::guard::{Guard, Routes};
use crate::kernel::db::once;
use crate::kernel::error::{Code, Error, FieldError, Result};
use crate::kernel::ids::UserId;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(erase_user)
            .refuses(&[
                Code::InvalidCredentials,
                Code::AccountLocked,
                Code::LastSysAdmin,
                Code::LastMandateAdmin,
                Code::Gone,
            ])
            .versioned()
            .guard(app, Policy::sys_or_oneself().after_a_step_up()),
    )
}

/// How an account goes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EraseQuery {
    /// Has to be said, since nothing brings the account back.
    #[param(inline)]
    mode: Mode,
}

/// The one way in which an account goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Erase,
}

/// What shows that it is oneself who wants to be erased. SysAdmins who erase somebody else send
/// nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseUser {
    /// One's own.
    #[schema(format = Password, example = "harbour-Lantern-27-moss")]
    password: Option<String>,
}

/// An account that is no longer anybody's.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    id: UserId,
    #[schema(example = "2026-03-02T08:15:00Z")]
    erased_at: DateTime<Utc>,
}

/// Erases an account for good: names, address, password, sessions and memberships go, and username
/// and address are free again. Answers that told of it are asked for in vain, though their
/// `Idempotency-Key` was not used up (410). What the account made and what the audit trail tells
/// stays, under a pseudonym.
#[utoipa::path(delete, path = "/api/users/{userId}", tag = "Users",
    params(AccountPath, EraseQuery), request_body = Option<EraseUser>,
    responses((status = 200, description = "Erased", body = Erasure),
              (status = 410, description = "Erased already")))]
async fn erase_user(
    State(app): State<App>,
    governing: Accounts,
    precondition: Precondition,
    FromPath(AccountPath { user_id: user }): FromPath<AccountPath>,
    Query(EraseQuery { mode: Mode::Erase }): Query<EraseQuery>,
    OptionalJson(body): OptionalJson<EraseUser>,
) -> Result<Json<Erasure>> {
    let precondition = &precondition;
    if let Some(caller) = governing.caller().filter(|caller| caller.user() == user) {
        // That SysAdmins govern accounts makes their own no less theirs.
        require_password(&app, caller, body).await?;
        return retrying(|| erase_own(caller, precondition)).await.map(Json);
    }
    let system = governing.system().ok_or_else(Error::not_found)?;
    retrying(|| erase_as_sys_admin(system, user, precondition)).await.map(Json)
}

/// A session that somebody found open erases nobody.
async fn require_password(app: &App, caller: &Caller, body: Option<EraseUser>) -> Result<()> {
    let sent = body.and_then(|body| body.password);
    let password = sent.ok_or_else(|| {
        FieldError::new("/password", "required", "is required to erase one's own account")
    })?;
    own_password::require_password(app, caller, password).await.map(|_| ())
}

async fn erase_own(caller: &Caller, precondition: &Precondition) -> Result<Erasure> {
    let change = caller.change(Locks::account(caller.user())).await?;
    erase(change, caller.account(), precondition).await
}

async fn erase_as_sys_admin(
    system: &SystemContext,
    user: UserId,
    precondition: &Precondition,
) -> Result<Erasure> {
    let change = system.change(Locks::account(user)).await?;
    erase(change, system.system().account(user), precondition).await
}

async fn erase<C: Actor + Send>(
    mut change: Change<C>,
    account: Account,
    precondition: &Precondition,
) -> Result<Erasure> {
    let Some(before) = find::find_for_change(&mut change, account).await? else {
        return Err(find::missing(&mut change, account).await?);
    };
    precondition.check(before.version)?;
    last::require_other_sys_admin(&mut change, account).await?;
    last::require_other_admins(&mut change, account).await?;
    let told = store::mandates_of(&mut change, account).await?;
    let user = account.user();
    let erased = Erasure { id: user, erased_at: change.context.now() };
    let invitations = erasure::erase(&mut change, account, erased.erased_at).await?;
    once::forget(&mut change, user, &invitations).await?;
    let details =
        json!({ "before": { "enabled": before.enabled, "isSysAdmin": before.is_sys_admin } });
    let event =
        Event::new(Action::UserErased, ResourceType::User, user).target(user).details(details);
    let recorded = change.record_everywhere(&told, event).await?;
    audit::forget_addresses(&mut change, account).await?;
    change.commit(recorded).await?;
    Ok(erased)
}
