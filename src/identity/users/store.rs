//! Accounts in the database. All of it runs as the system: accounts belong to no mandate.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::User;
use super::columns::{user_of, users};
use crate::context::{Account, MayBeMade, System};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{MandateId, UserId};

/// A new account.
#[derive(Debug)]
pub struct NewUser<'a> {
    pub id: UserId,
    pub username: &'a str,
    pub email: Option<&'a str>,
    pub email_key: Option<&'a str>,
    /// Whether it is known to be theirs.
    pub email_verified: bool,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub language: &'a str,
    /// `None`: nobody signs in until one is chosen.
    pub password_hash: Option<&'a str>,
    pub is_sys_admin: bool,
    pub must_change_password: bool,
    pub now: DateTime<Utc>,
}

pub async fn insert(
    connection: &mut PgConnection,
    _: MayBeMade,
    user: &NewUser<'_>,
) -> Result<User> {
    let row = users!(
        "insert into users as u (id, username, username_key, email, email_key, first_name,
           last_name, language, password_hash, is_sys_admin, created_at,
           must_change_password, email_verified)
         values ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning",
        [""],
        user.id.uuid(),
        user.username,
        user.email,
        user.email_key,
        user.first_name,
        user.last_name,
        user.language,
        user.password_hash,
        user.is_sys_admin,
        user.now,
        user.must_change_password,
        user.email_verified,
    )
    .map(|row| user_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("users_username_key", username_taken)
        .on_constraint("users_email_key", email_taken)
}

#[must_use]
pub fn username_taken() -> Error {
    Error::new(Code::UsernameTaken, "Another account has this username.")
}

pub(super) fn email_taken() -> Error {
    Error::new(Code::EmailTaken, "Another account has this e-mail address.")
}

/// What a change of an account sets; `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Default)]
pub struct Changes {
    pub email: Option<Option<(String, String)>>,
    pub first_name: Option<Option<String>>,
    pub last_name: Option<Option<String>>,
    pub language: Option<String>,
    pub enabled: Option<bool>,
    pub is_sys_admin: Option<bool>,
}

impl Changes {
    pub fn alter(&self, before: &User) -> bool {
        let email =
            self.email.as_ref().map(|email| email.as_ref().map(|(email, _)| email.as_str()));
        email.is_some_and(|email| email != before.email.as_deref())
            || self.first_name.as_ref().is_some_and(|name| *name != before.first_name)
            || self.last_name.as_ref().is_some_and(|name| *name != before.last_name)
            || self.language.as_ref().is_some_and(|language| *language != before.language)
            || self.enabled.is_some_and(|enabled| enabled != before.enabled)
            || self.is_sys_admin.is_some_and(|flag| flag != before.is_sys_admin)
    }
}

pub async fn update(
    connection: &mut PgConnection,
    account: Account,
    changes: &Changes,
) -> Result<User> {
    let email = changes.email.clone().flatten();
    let row = users!(
        "update users u set
           email = case when $2 then $3 else email end,
           email_key = case when $2 then $4 else email_key end,
           email_verified = email_verified and not ($2 and $4 is distinct from email_key),
           first_name = case when $5 then $6 else first_name end,
           last_name = case when $7 then $8 else last_name end,
           language = coalesce($9, language), enabled = coalesce($10, enabled),
           is_sys_admin = coalesce($11, is_sys_admin),
           version = version + 1
         where id = $1 and erased_at is null returning",
        [""],
        account.user().uuid(),
        changes.email.is_some(),
        email.as_ref().map(|(email, _)| email.as_str()),
        email.as_ref().map(|(_, key)| key.as_str()),
        changes.first_name.is_some(),
        changes.first_name.clone().flatten(),
        changes.last_name.is_some(),
        changes.last_name.clone().flatten(),
        changes.language.as_deref(),
        changes.enabled,
        changes.is_sys_admin,
    )
    .map(|row| user_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("users_email_key", email_taken)
}

/// The mandates that an account belongs to, disabled and deleted ones too: whose trails tell of a
/// change to it. A deleted mandate may be restored, and its trail outlives it.
pub async fn mandates_of(
    connection: &mut PgConnection,
    account: Account,
) -> Result<Vec<MandateId>> {
    let ids = sqlx::query_scalar!(
        "select mandate_id from memberships where user_id = $1 order by 1",
        account.user().uuid()
    )
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(MandateId::from).collect())
}

/// Whether nobody has used the account yet.
pub async fn was_never_used(connection: &mut PgConnection, account: Account) -> Result<bool> {
    let unused = sqlx::query_scalar!(
        r#"select was_never_used(u) as "unused!" from users u where u.id = $1"#,
        account.user().uuid()
    );
    Ok(unused.fetch_one(connection).await?)
}

/// The account of this username, where it has this very address, or none as none is said.
pub async fn same_as(
    connection: &mut PgConnection,
    _: System,
    (username, email_key): (&str, Option<&str>),
) -> Result<Option<UserId>> {
    let found = sqlx::query_scalar!(
        r#"select id as "id: UserId" from users
           where username_key = $1 and email_key is not distinct from $2"#,
        username,
        email_key,
    );
    Ok(found.fetch_optional(connection).await?)
}
