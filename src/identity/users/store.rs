//! Accounts in the database. All of it runs as the system: accounts belong to no mandate.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::User;
use crate::context::{Account, System};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::{Code, Error, OnConstraint, Result};
use crate::kernel::ids::{MandateId, UserId};

/// A statement whose rows have the columns of an account `u`, without the hash, and then others.
macro_rules! users {
    ($before:tt, [$($after:tt)+], $($argument:expr),* $(,)?) => {
        sqlx::query!(
            $before
                + r#" u.id, u.username, u.email, u.first_name, u.last_name, u.language, u.enabled,
                      u.is_sys_admin, u.email_verified, u.created_at, u.last_login_at, u.version "#
                + $($after)+,
            $($argument),*
        )
    };
}

/// The account in a row of [`users!`].
macro_rules! user_of {
    ($row:expr) => {
        User {
            id: $row.id.into(),
            username: $row.username,
            email: $row.email,
            first_name: $row.first_name,
            last_name: $row.last_name,
            language: $row.language,
            enabled: $row.enabled,
            is_sys_admin: $row.is_sys_admin,
            email_verified: $row.email_verified,
            mfa_enabled: false,
            // second factors come with their own issue; until then nobody has one
            created_at: $row.created_at,
            last_login_at: $row.last_login_at,
            version: $row.version,
        }
    };
}

/// An account that was not erased.
pub async fn find(connection: &mut PgConnection, account: Account) -> Result<Option<User>> {
    let row = users!(
        "select",
        ["from users u where u.id = $1 and u.erased_at is null"],
        account.user().uuid()
    );
    Ok(row.map(|row| user_of!(row)).fetch_optional(connection).await?)
}

/// The same, locked until the transaction ends: what a change begins with.
pub async fn find_for_change(
    connection: &mut PgConnection,
    account: Account,
) -> Result<Option<User>> {
    let row = users!(
        "select",
        ["from users u where u.id = $1 and u.erased_at is null for no key update"],
        account.user().uuid()
    );
    Ok(row.map(|row| user_of!(row)).fetch_optional(connection).await?)
}

/// Why an account was not found, for SysAdmins: 410 where it was erased, else 404.
pub(super) async fn missing(connection: &mut PgConnection, account: Account) -> Result<Error> {
    let erased = sqlx::query_scalar!(
        r#"select true as "erased!" from users where id = $1 and erased_at is not null"#,
        account.user().uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(erased.map_or_else(Error::not_found, |_| Error::new(Code::Gone, "The account was erased.")))
}

/// A new account.
#[derive(Debug)]
pub struct NewUser<'a> {
    pub id: UserId,
    pub username: &'a str,
    pub email: Option<&'a str>,
    pub email_key: Option<&'a str>,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub language: &'a str,
    pub password_hash: &'a str,
    pub is_sys_admin: bool,
    pub now: DateTime<Utc>,
}

pub async fn insert(connection: &mut PgConnection, _: System, user: &NewUser<'_>) -> Result<User> {
    let row = users!(
        "insert into users as u (id, username, username_key, email, email_key, first_name,
           last_name, language, password_hash, is_sys_admin, created_at)
         values ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning",
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
    )
    .map(|row| user_of!(row))
    .fetch_one(connection)
    .await;
    row.on_constraint("users_username_key", username_taken)
        .on_constraint("users_email_key", email_taken)
}

fn username_taken() -> Error {
    Error::new(Code::UsernameTaken, "Another account has this username.")
}

fn email_taken() -> Error {
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

/// 409 where, without this account, no active SysAdmin would be left. Meaningful under the
/// platform's lock.
pub(super) async fn require_other_sys_admin(
    connection: &mut PgConnection,
    account: Account,
) -> Result<()> {
    let last = sqlx::query_scalar!(
        r#"select exists (select 1 from users where id = $1 and is_sys_admin and enabled
               and erased_at is null)
              and not exists (select 1 from users where id <> $1 and is_sys_admin and enabled
                  and erased_at is null) as "last!""#,
        account.user().uuid()
    )
    .fetch_one(connection)
    .await?;
    if last { Err(Error::last_sys_admin()) } else { Ok(()) }
}

/// 409 where the account is the last effective admin of any mandate. Meaningful under the locks of
/// its mandates.
pub(super) async fn require_other_admins(
    connection: &mut PgConnection,
    account: Account,
) -> Result<()> {
    let last = sqlx::query_scalar!(
        r#"select exists (
             select 1
             from memberships m
             join mandates d on d.id = m.mandate_id and d.deleted_at is null
             join member_roles mr on mr.mandate_id = m.mandate_id and mr.user_id = m.user_id
             join roles r on r.mandate_id = mr.mandate_id and r.id = mr.role_id and r.protected
             join users me on me.id = m.user_id and me.enabled and me.erased_at is null
             where m.user_id = $1 and m.enabled
               and not exists (
                 select 1 from member_roles omr
                 join memberships om on om.mandate_id = omr.mandate_id and om.user_id = omr.user_id
                   and om.enabled
                 join users o on o.id = om.user_id and o.enabled and o.erased_at is null
                 where omr.mandate_id = m.mandate_id and omr.role_id = r.id
                   and omr.user_id <> $1)) as "last!""#,
        account.user().uuid()
    )
    .fetch_one(connection)
    .await?;
    if last { Err(Error::last_mandate_admin()) } else { Ok(()) }
}

/// Ends the sessions of an account, for good. Under the lock of the account's row: whoever signs in
/// at that moment locks it too, and either came before, and is ended with the others, or finds the
/// account as it became. And before the row is changed: that holds the account's epoch, for which
/// whoever signs out has to wait with their session locked.
pub(super) async fn end_sessions(
    connection: &mut PgConnection,
    account: Account,
    now: DateTime<Utc>,
) -> Result<()> {
    // Those that have expired are left alone: they are over, and the purge may have them locked.
    sqlx::query!(
        "update sessions set revoked_at = $2
         where user_id = $1 and revoked_at is null and expires_at > $2",
        account.user().uuid(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
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

/// A membership, as the list of users shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserMandate {
    pub id: MandateId,
    pub name: String,
    pub code: String,
    pub enabled: bool,
    /// Labels of the roles held there.
    #[schema(example = json!(["user"]))]
    pub roles: Vec<String>,
}

/// An account with the mandates that it belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserWithMandates {
    #[serde(flatten)]
    pub user: User,
    pub mandates: Vec<UserMandate>,
}

/// What the list of users is narrowed to.
#[derive(Debug, Default)]
pub struct Filter {
    pub text: Option<String>,
    pub enabled: Option<bool>,
    pub is_sys_admin: Option<bool>,
    pub username_key: Option<String>,
    pub email_key: Option<String>,
    pub mandate: Option<MandateId>,
}

/// Accounts with their mandates and roles, in one statement.
pub async fn list(
    connection: &mut PgConnection,
    system: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<UserWithMandates>> {
    let rows = page(connection, system, filter, paging).await?;
    let total = if paging.count { Some(count(connection, system, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |(listed, name)| {
        let key = if by_name(paging) { name.into() } else { listed.user.created_at.into() };
        let id = listed.user.id.uuid();
        (listed, Position { key, id })
    }))
}

fn by_name(paging: &Paging) -> bool {
    paging.sort == "username"
}

async fn page(
    connection: &mut PgConnection,
    _: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Vec<(UserWithMandates, String)>> {
    macro_rules! listed {
        ($key:tt, $after:tt, $order:tt, $bound:expr) => {
            users!(
                "select",
                [r#", u.username_key,
                     (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'name', d.name,
                               'code', d.code, 'enabled', m.enabled, 'roles',
                               (select coalesce(jsonb_agg(r.label order by r.label_key), '[]')
                                from member_roles mr join roles r on r.mandate_id = mr.mandate_id
                                  and r.id = mr.role_id
                                where mr.mandate_id = m.mandate_id and mr.user_id = m.user_id))
                               order by d.name_key, d.id), '[]')
                      from memberships m join mandates d on d.id = m.mandate_id
                      where m.user_id = u.id
                        and d.deleted_at is null) as "mandates!: Json<Vec<UserMandate>>"
                   from users u
                   where u.erased_at is null
                     and ($1::text is null or strpos(u.username_key, $1) > 0
                         or strpos(coalesce(u.email_key, ''), $1) > 0
                         or strpos(lower(coalesce(u.first_name, '') || ' '
                                         || coalesce(u.last_name, '')), $1) > 0)
                     and ($2::bool is null or u.enabled = $2)
                     and ($3::bool is null or u.is_sys_admin = $3)
                     and ($7::text is null or u.username_key = $7)
                     and ($8::text is null or u.email_key = $8)
                     and ($9::uuid is null or exists (select 1 from memberships o
                         join mandates d on d.id = o.mandate_id
                          where o.mandate_id = $9 and o.user_id = u.id and d.deleted_at is null))
                     and ("# + $key + ", u.id) " + $after + " ($4, $5)
                   order by " + $key + $order + ", u.id" + $order + " limit $6"],
                filter.text.as_deref(),
                filter.enabled,
                filter.is_sys_admin,
                $bound,
                paging.bound_id(),
                paging.fetch(),
                filter.username_key.as_deref(),
                filter.email_key.as_deref(),
                filter.mandate.map(MandateId::uuid),
            )
            .map(|row| {
                let mandates = row.mandates.0;
                (UserWithMandates { user: user_of!(row), mandates }, row.username_key)
            })
            .fetch_all(&mut *connection)
            .await?
        };
    }
    let (text, time) = (paging.bound_text(), paging.bound_time());
    Ok(match (by_name(paging), paging.descending) {
        (true, false) => listed!("u.username_key", ">", "", text),
        (true, true) => listed!("u.username_key", "<", " desc", text),
        (false, false) => listed!("u.created_at", ">", "", time),
        (false, true) => listed!("u.created_at", "<", " desc", time),
    })
}

async fn count(connection: &mut PgConnection, _: System, filter: &Filter) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from users u
           where u.erased_at is null
             and ($1::text is null or strpos(u.username_key, $1) > 0
                 or strpos(coalesce(u.email_key, ''), $1) > 0
                  or strpos(lower(coalesce(u.first_name, '') || ' ' || coalesce(u.last_name, '')),
                      $1) > 0)
             and ($2::bool is null or u.enabled = $2) and ($3::bool is null or u.is_sys_admin = $3)
             and ($4::text is null or u.username_key = $4)
               and ($5::text is null or u.email_key = $5)
             and ($6::uuid is null or exists (select 1 from memberships o
                 join mandates d on d.id = o.mandate_id
                  where o.mandate_id = $6 and o.user_id = u.id and d.deleted_at is null))"#,
        filter.text.as_deref(),
        filter.enabled,
        filter.is_sys_admin,
        filter.username_key.as_deref(),
        filter.email_key.as_deref(),
        filter.mandate.map(MandateId::uuid),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
