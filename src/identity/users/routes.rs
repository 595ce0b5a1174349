//! `/api/users`: accounts, as SysAdmins manage them and as their owners see them.

use axum::extract::State;
use serde_json::json;
use utoipa_axum::routes;

use super::email_routes::key_of;
use super::request::UpdateUser;
use super::store::{self, Changes};
use super::{AccountPath, User, find, last};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::authorize::Accounts;
use crate::context::change::retrying;
use crate::context::policy::Policy;
use crate::context::{Actor, Caller, Locks, Recorded, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::identity::mails::{self, Kind};
use crate::identity::sessions;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(get_user).refuses(&[Code::Gone]).guard(app, Policy::sys_or_oneself()))
        .routes(
            routes!(update_user)
                .refuses(&[
                    Code::SelfEscalation,
                    Code::LastSysAdmin,
                    Code::LastMandateAdmin,
                    Code::EmailTaken,
                    Code::Gone,
                ])
                .versioned()
                .guard(app, Policy::sys_or_oneself()),
        )
}

/// An account: any for SysAdmins, else one's own.
#[utoipa::path(get, path = "/api/users/{userId}", tag = "Users", params(AccountPath),
    responses((status = 200, description = "The account", body = User),
              (status = 410, description = "Erased")))]
async fn get_user(
    governing: Accounts,
    FromPath(AccountPath { user_id: user }): FromPath<AccountPath>,
) -> Result<Versioned<User>> {
    let (mut reading, account) = match governing {
        Accounts::Any(system) => (system.read().await?, system.system().account(user)),
        // Whose account it is, the route has asked.
        Accounts::Own(caller) => (caller.read().await?, caller.account()),
    };
    let Some(found) = find::find(&mut reading, account).await? else {
        return Err(find::missing(&mut reading, account).await?);
    };
    reading.finish().await?;
    Ok(Versioned(found))
}

/// Changes an account. One that is disabled is signed out everywhere, for good: enabling it again
/// revives no session.
#[utoipa::path(patch, path = "/api/users/{userId}", tag = "Users", params(AccountPath),
    request_body = UpdateUser,
    responses((status = 200, description = "The account", body = User),
              (status = 410, description = "Erased")))]
async fn update_user(
    State(app): State<App>,
    governing: Accounts,
    precondition: Precondition,
    FromPath(AccountPath { user_id: user }): FromPath<AccountPath>,
    Json(body): Json<UpdateUser>,
) -> Result<Versioned<User>> {
    let changes = body.checked()?;
    let (changes, body, precondition) = (&changes, &body, &precondition);
    let updated = match &governing {
        Accounts::Any(system) => {
            let version = body.version;
            let work = || update_as_sys_admin(&app, system, user, changes, (version, precondition));
            retrying(work).await
        }
        Accounts::Own(caller) => {
            retrying(|| update_own(caller, changes, body.version, precondition)).await
        }
    };
    updated.map(Versioned)
}

async fn update_as_sys_admin(
    app: &App,
    system: &SystemContext,
    user: UserId,
    changes: &Changes,
    (version, precondition): (Option<i64>, &Precondition),
) -> Result<User> {
    let account = system.system().account(user);
    let mut change = system.change(Locks::account(user)).await?;
    let Some(before) = find::find_for_change(&mut change, account).await? else {
        return Err(find::missing(&mut change, account).await?);
    };
    precondition.check_with(before.version, version)?;
    if changes.is_sys_admin.is_some() && change.context.actor() == Some(user) {
        return Err(Error::new(Code::SelfEscalation, "Nobody changes their own SysAdmin flag."));
    }
    let loses_account = changes.enabled == Some(false) && before.enabled;
    let loses_flag = changes.is_sys_admin == Some(false) && before.is_sys_admin;
    if loses_account || loses_flag {
        last::require_other_sys_admin(&mut change, account).await?;
    }
    if loses_account {
        last::require_other_admins(&mut change, account).await?;
    }
    if loses_flag {
        let now = change.context.now();
        sessions::end_what_is_over(&mut change, account, now).await?;
    }
    if !changes.alter(&before) {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    if changes.enabled.is_some_and(|enabled| enabled != before.enabled) {
        // Also when it is enabled: whatever was left open while it was disabled stays dead.
        let now = change.context.now();
        sessions::end_all(&mut change, account, None, now).await?;
    }
    let after = store::update(&mut change, account, changes).await?;
    if let Some(earlier) = before.email.as_deref().filter(|_| key_of(&before) != key_of(&after)) {
        let (connection, system) = change.acting();
        let about = (user, Some(earlier));
        mails::tell(connection, app, system, about, Kind::AddressChanged).await?;
    }
    // The mandates are told when the account starts or stops to count in them; names and flags are
    // the platform's affair.
    let told = if before.enabled == after.enabled {
        Vec::new()
    } else {
        store::mandates_of(&mut change, account).await?
    };
    let recorded = change.record_everywhere(&told, updated(&before, &after)).await?;
    change.commit(recorded).await?;
    Ok(after)
}

async fn update_own(
    caller: &Caller,
    changes: &Changes,
    version: Option<i64>,
    precondition: &Precondition,
) -> Result<User> {
    if changes.email.is_some() || changes.enabled.is_some() || changes.is_sys_admin.is_some() {
        let detail = "Of one's own account one changes `firstName`, `lastName` and `language`; the \
            rest is for SysAdmins.";
        return Err(Error::new(Code::PermissionDenied, detail).with("needed", "sysAdmin"));
    }
    let mut writing = caller.write().await?;
    let before = find::find_for_change(&mut writing, caller.account())
        .await?
        .ok_or_else(Error::not_found)?;
    precondition.check_with(before.version, version)?;
    if !changes.alter(&before) {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    let after = store::update(&mut writing, caller.account(), changes).await?;
    let recorded = audit::record_platform(&mut writing, caller, updated(&before, &after)).await?;
    writing.commit(recorded).await?;
    Ok(after)
}

/// The event of a new account.
pub(super) fn created(user: &User) -> Event {
    Event::new(Action::UserCreated, ResourceType::User, user.id)
        .target(user.id)
        .details(json!({ "after": { "isSysAdmin": user.is_sys_admin } }))
}

/// The event of a change: flags as they were and are, and of names and addresses only that they
/// changed.
pub(super) fn updated(before: &User, after: &User) -> Event {
    let mut fields = Vec::new();
    let pairs = [
        ("email", before.email != after.email),
        ("firstName", before.first_name != after.first_name),
        ("lastName", before.last_name != after.last_name),
        ("language", before.language != after.language),
        ("emailVerified", before.email_verified != after.email_verified),
    ];
    fields.extend(pairs.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name));
    let details = json!({
        "before": { "enabled": before.enabled, "isSysAdmin": before.is_sys_admin },
        "after": { "enabled": after.enabled, "isSysAdmin": after.is_sys_admin },
        "changed": fields,
    });
    Event::new(Action::UserUpdated, ResourceType::User, after.id).target(after.id).details(details)
}
