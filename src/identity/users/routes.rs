//! `/api/users`: accounts, as SysAdmins manage them and as their owners see them.

use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use validator::ValidateEmail;

use super::store::{self, Changes, Filter, NewUser, UserWithMandates};
use super::{AccountPath, User};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::enter::Accounts;
use crate::context::policy::Policy;
use crate::context::{Actor, Caller, Locks, Recorded, SystemContext};
use crate::http::app::App;
use crate::http::etag::{Precondition, Versioned};
use crate::http::extract::{Created, FromPath, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::http::patch;
use crate::kernel::credentials::password::Passwords;
use crate::kernel::error::{Code, Error, FieldError, Result, keep};
use crate::kernel::ids::{MandateId, UserId};
use crate::kernel::names;
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_users).guard(app, Policy::sys()))
        .routes(
            routes!(create_user)
                .refuses(&[Code::UsernameTaken, Code::EmailTaken])
                .guard(app, Policy::sys()),
        )
        .routes(routes!(get_user).refuses(&[Code::Gone]).guard(app, Policy::sys().or_oneself()))
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
                .guard(app, Policy::sys().or_oneself()),
        )
}

list_query! {
    UsersQuery sorted by "username", "createdAt" {
        /// Part of a username, address or name.
        #[param(value_type = Option<String>)]
        q: Search,
        /// Only enabled ones, or only disabled ones.
        enabled: bool,
        /// Only SysAdmins, or only others.
        is_sys_admin: bool,
        /// Only the account of this username.
        username: String,
        /// Only the account of this address.
        email: String,
        /// Only those that belong to this mandate.
        #[param(value_type = Option<Uuid>)]
        mandate_id: MandateId,
    }
}

/// Every account, with the mandates and roles of each.
#[utoipa::path(get, path = "/api/users", tag = "Users", params(UsersQuery),
    responses((status = 200, description = "A page of accounts", body = Page<UserWithMandates>)))]
async fn list_users(
    system: SystemContext,
    lister: Lister,
    Query(query): Query<UsersQuery>,
) -> Result<PageAnswer<UserWithMandates>> {
    let paging = query.paging(&lister)?;
    let key = |name: String| names::account_key(&name).unwrap_or_default();
    let filter = Filter {
        text: query.q.map(Search::into_key),
        enabled: query.enabled,
        is_sys_admin: query.is_sys_admin,
        username_key: query.username.map(key),
        email_key: query.email.map(key),
        mandate: query.mandate_id,
    };
    let mut reading = system.read().await?;
    let rows = store::list(&mut reading, system.system(), &filter, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateUser {
    #[schema(example = "erin")]
    username: String,
    /// 12 to 128 characters, not easily guessed.
    #[schema(format = Password)]
    password: String,
    #[schema(example = "erin@acme.example")]
    email: Option<String>,
    #[schema(example = "Erin")]
    first_name: Option<String>,
    #[schema(example = "Ebner")]
    last_name: Option<String>,
    #[schema(example = "en")]
    language: Option<String>,
    is_sys_admin: Option<bool>,
}

/// A body whose every field is in order.
struct CheckedUser {
    username: String,
    email: Option<(String, String)>,
    first_name: Option<String>,
    last_name: Option<String>,
    language: String,
}

impl CreateUser {
    /// Everything but the password, which takes a worker; `None` where something is wrong.
    fn checked(&self, errors: &mut Vec<FieldError>) -> Option<CheckedUser> {
        let username = keep(names::checked_username("/username", &self.username), errors);
        let email = self.email.as_deref().and_then(|email| keep(checked_email(email), errors));
        let first_name = self
            .first_name
            .as_deref()
            .and_then(|name| keep(names::checked("/firstName", name), errors));
        let last_name = self
            .last_name
            .as_deref()
            .and_then(|name| keep(names::checked("/lastName", name), errors));
        let language = keep(
            names::checked_language("/language", self.language.as_deref().unwrap_or("en")),
            errors,
        );
        let (username, language) = (username?, language?);
        errors.is_empty().then_some(CheckedUser {
            username,
            email,
            first_name,
            last_name,
            language,
        })
    }

    /// With the hash of the password.
    async fn judged(&self, passwords: &Passwords) -> Result<(CheckedUser, String)> {
        let mut errors = Vec::new();
        let own = [
            Some(self.username.as_str()),
            self.email.as_deref(),
            self.first_name.as_deref(),
            self.last_name.as_deref(),
        ];
        let own: Vec<&str> = own.into_iter().flatten().collect();
        let Some(checked) = self.checked(&mut errors) else {
            // All that is wrong is told at once, but nothing is hashed in vain.
            errors.extend(passwords.fault("/password", self.password.clone(), &own).await?);
            return Err(Error::invalid(errors));
        };
        let hash = passwords.new_hash("/password", self.password.clone(), &own).await?;
        Ok((checked, hash.map_err(|fault| Error::invalid(vec![fault]))?))
    }
}

/// The longest address, in bytes (RFC 5321, 4.5.3.1, with RFC 3696's erratum 1690).
const MAX_EMAIL: usize = 254;

fn checked_email(email: &str) -> std::result::Result<(String, String), FieldError> {
    let trimmed = email.trim();
    let key = names::account_key(trimmed)
        .filter(|_| trimmed.len() <= MAX_EMAIL && trimmed.validate_email());
    key.map(|key| (trimmed.to_owned(), key))
        .ok_or_else(|| FieldError::new("/email", "invalid_email", "must be an e-mail address"))
}

/// Makes an account. It has no access to anything until a mandate adds it.
#[utoipa::path(post, path = "/api/users", tag = "Users", request_body = CreateUser,
    responses((status = 201, description = "The account", body = User)))]
async fn create_user(
    State(app): State<App>,
    system: SystemContext,
    Json(body): Json<CreateUser>,
) -> Result<Created<Versioned<User>>> {
    let (checked, hash) = body.judged(app.passwords()).await?;
    let mut writing = system.write().await?;
    let new = NewUser {
        id: UserId::new(),
        username: &checked.username,
        email: checked.email.as_ref().map(|(email, _)| email.as_str()),
        email_key: checked.email.as_ref().map(|(_, key)| key.as_str()),
        first_name: checked.first_name.as_deref(),
        last_name: checked.last_name.as_deref(),
        language: &checked.language,
        password_hash: &hash,
        is_sys_admin: body.is_sys_admin.unwrap_or(false),
        now: system.now(),
    };
    let user = store::insert(&mut writing, system.system(), &new).await?;
    let event = Event::new(Action::UserCreated, ResourceType::User, user.id)
        .target(user.id)
        .details(json!({ "after": { "isSysAdmin": user.is_sys_admin } }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/users/{}", user.id), answer: Versioned(user) })
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
    let Some(found) = store::find(&mut reading, account).await? else {
        return Err(store::missing(&mut reading, account).await?);
    };
    reading.finish().await?;
    Ok(Versioned(found))
}

/// What to change of an account. Owners change their names and language; the rest is for SysAdmins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateUser {
    /// Unverified until its owner confirms it.
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>)]
    first_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>)]
    last_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    language: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    is_sys_admin: Option<bool>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    version: Option<i64>,
}

impl UpdateUser {
    fn checked(&self) -> Result<Changes> {
        let mut errors = Vec::new();
        let mut name = |pointer: &str, value: &Option<Option<String>>| {
            value.as_ref().map(|name| {
                name.as_deref().and_then(|name| keep(names::checked(pointer, name), &mut errors))
            })
        };
        let (first_name, last_name) =
            (name("/firstName", &self.first_name), name("/lastName", &self.last_name));
        let email = self.email.as_ref().map(|email| {
            email.as_deref().and_then(|email| keep(checked_email(email), &mut errors))
        });
        let language = self
            .language
            .as_deref()
            .and_then(|tag| keep(names::checked_language("/language", tag), &mut errors));
        if !errors.is_empty() {
            return Err(Error::invalid(errors));
        }
        Ok(Changes {
            email,
            first_name,
            last_name,
            language,
            enabled: self.enabled,
            is_sys_admin: self.is_sys_admin,
        })
    }
}

/// Changes an account. One that is disabled is signed out everywhere, for good: enabling it again
/// revives no session.
#[utoipa::path(patch, path = "/api/users/{userId}", tag = "Users", params(AccountPath),
    request_body = UpdateUser,
    responses((status = 200, description = "The account", body = User),
              (status = 410, description = "Erased")))]
async fn update_user(
    governing: Accounts,
    precondition: Precondition,
    FromPath(AccountPath { user_id: user }): FromPath<AccountPath>,
    Json(body): Json<UpdateUser>,
) -> Result<Versioned<User>> {
    let changes = body.checked()?;
    let (changes, body, precondition) = (&changes, &body, &precondition);
    let updated = match &governing {
        Accounts::Any(system) => {
            let work = || update_as_sys_admin(system, user, changes, body.version, precondition);
            retrying(work).await
        }
        Accounts::Own(caller) => update_own(caller, changes, body.version, precondition).await,
    };
    updated.map(Versioned)
}

async fn update_as_sys_admin(
    system: &SystemContext,
    user: UserId,
    changes: &Changes,
    version: Option<i64>,
    precondition: &Precondition,
) -> Result<User> {
    let account = system.system().account(user);
    let mut change = system.change(Locks::account(user)).await?;
    let Some(before) = store::find_for_change(&mut change, account).await? else {
        return Err(store::missing(&mut change, account).await?);
    };
    precondition.check_with(before.version, version)?;
    if changes.is_sys_admin.is_some() && change.context.actor() == Some(user) {
        return Err(Error::new(Code::SelfEscalation, "Nobody changes their own SysAdmin flag."));
    }
    let loses_account = changes.enabled == Some(false) && before.enabled;
    let loses_flag = changes.is_sys_admin == Some(false) && before.is_sys_admin;
    if loses_account || loses_flag {
        store::require_other_sys_admin(&mut change, account).await?;
    }
    if loses_account {
        store::require_other_admins(&mut change, account).await?;
    }
    if !changes.alter(&before) {
        change.commit(Recorded::nothing_changed()).await?;
        return Ok(before);
    }
    if changes.enabled.is_some_and(|enabled| enabled != before.enabled) {
        // Also when it is enabled: whatever was left open while it was disabled stays dead.
        store::end_sessions(&mut change, account, system.now()).await?;
    }
    let after = store::update(&mut change, account, changes).await?;
    // The mandates are told when the account starts or stops to count in them; names and flags are
    // the platform's affair.
    let told = if before.enabled == after.enabled {
        Vec::new()
    } else {
        store::mandates_of(&mut change, account).await?
    };
    let recorded =
        audit::record_everywhere(&mut change, system, &told, updated(&before, &after)).await?;
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
    let before = store::find_for_change(&mut writing, caller.account())
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

/// The event of a change: flags as they were and are, and of names and addresses only that they
/// changed.
fn updated(before: &User, after: &User) -> Event {
    let mut fields = Vec::new();
    let pairs = [
        ("email", before.email != after.email),
        ("firstName", before.first_name != after.first_name),
        ("lastName", before.last_name != after.last_name),
        ("language", before.language != after.language),
    ];
    fields.extend(pairs.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name));
    let details = json!({
        "before": { "enabled": before.enabled, "isSysAdmin": before.is_sys_admin },
        "after": { "enabled": after.enabled, "isSysAdmin": after.is_sys_admin },
        "changed": fields,
    });
    Event::new(Action::UserUpdated, ResourceType::User, after.id).target(after.id).details(details)
}
