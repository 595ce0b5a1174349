//! Accounts and sessions, as signing in needs them.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::context::{SessionContext, Visitor};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// Passwords that may be tried in a row, in whatever time, until the account's is reset (NIST SP
/// 800-63B-4, 3.2.2).
const MOST_IN_A_ROW: i32 = 100;

pub(super) struct Credentials {
    pub user: UserId,
    pub password_hash: Option<String>,
    /// Which of the passwords that were chosen one after the other it is.
    pub password_version: i64,
    pub enabled: bool,
    /// Too many were wrong: the password signs in no more.
    pub is_spent: bool,
}

/// The account of a username, or of an address that its owner confirmed: no username has an `@`.
/// It is noted that its password is tried, before it is looked at; a right one forgets it.
pub(super) async fn credentials(
    connection: &mut PgConnection,
    _: &Visitor,
    name: &str,
) -> Result<Option<Credentials>> {
    let row = sqlx::query_as!(
        Credentials,
        r#"with account as (
             select id, password_hash, password_version, enabled from users
             where (username_key = $1 or email_key = $1 and email_verified)
               and erased_at is null),
           tried as (
             insert into tries_in_a_row as t (user_id, tries) select id, 1 from account
             on conflict (user_id) do update set tries = least(t.tries + 1, $2 + 1)
             returning t.tries)
           select a.id as "user!", a.password_hash,
             a.password_version as "password_version!", a.enabled as "enabled!",
             t.tries > $2 as "is_spent!"
           from account a cross join tried t"#,
        name,
        MOST_IN_A_ROW,
    );
    Ok(row.fetch_optional(connection).await?)
}

/// Whoever was noted has not tried after all.
pub(super) async fn not_tried(
    connection: &mut PgConnection,
    _: &Visitor,
    user: UserId,
) -> Result<()> {
    sqlx::query!(
        "update tries_in_a_row set tries = tries - 1 where user_id = $1 and tries between 1 and $2",
        user.uuid(),
        MOST_IN_A_ROW,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn is_enabled(
    connection: &mut PgConnection,
    _: &Visitor,
    user: UserId,
) -> Result<bool> {
    let enabled = sqlx::query_scalar!(
        r#"select enabled and erased_at is null as "enabled!" from users where id = $1"#,
        user.uuid()
    );
    Ok(enabled.fetch_one(connection).await?)
}

/// A mandate as its member sees it at sign-in.
#[derive(Debug, serde::Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = OwnMandate)]
pub struct OwnMandate {
    pub id: MandateId,
    #[schema(example = "Acme")]
    pub name: String,
    #[schema(example = "acme")]
    pub code: String,
    /// Labels of the roles held there.
    #[schema(example = json!(["user"]))]
    pub roles: Vec<String>,
}

pub(super) struct SessionRow {
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// The SysAdmin who acts in it as its user, and what they are called.
    pub impersonated_by: Option<UserId>,
    pub impersonated_by_name: Option<String>,
    /// To who acts as the user: whether they have used one of the mandates, so that its people know
    /// their address.
    pub is_known: bool,
    pub mandates: Vec<OwnMandate>,
}

/// The session and the mandates that are open to its user, in one statement; to who acts as the
/// user, those that allow it.
pub(super) async fn session(
    connection: &mut PgConnection,
    context: &SessionContext,
) -> Result<SessionRow> {
    let row = sqlx::query!(
        r#"select s.created_at,
             session_ends(s.created_at, s.expires_at, r.refreshed_at, r.idle_until,
                          u.is_sys_admin) as "expires_at!",
             s.impersonated_by, i.username as "impersonated_by_name?",
             s.impersonated_by is not null and exists (
               select 1 from memberships m join mandates d on d.id = m.mandate_id
               where m.user_id = s.user_id and m.enabled and d.enabled and d.deleted_at is null
                 and d.allow_impersonation and m.first_used_at is not null) as "is_known!",
             (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'name', d.name,
                       'code', d.code, 'roles',
                       (select coalesce(jsonb_agg(r.label order by r.label_key), '[]')
                        from member_roles mr join roles r on r.mandate_id = mr.mandate_id
                          and r.id = mr.role_id
                        where mr.mandate_id = m.mandate_id and mr.user_id = m.user_id))
                       order by d.name_key, d.id), '[]')
              from memberships m join mandates d on d.id = m.mandate_id
              where m.user_id = s.user_id and m.enabled and d.enabled
                and d.deleted_at is null and (s.impersonated_by is null or d.allow_impersonation)
             ) as "mandates!: Json<Vec<OwnMandate>>"
           from sessions s left join session_refreshes r on r.session_id = s.id
           join users u on u.id = s.user_id left join users i on i.id = s.impersonated_by
           where s.id = $1"#,
        context.session().uuid()
    )
    .fetch_one(connection)
    .await?;
    Ok(SessionRow {
        created_at: row.created_at,
        expires_at: row.expires_at,
        impersonated_by: row.impersonated_by.map(UserId::from),
        impersonated_by_name: row.impersonated_by_name,
        is_known: row.is_known,
        mandates: row.mandates.0,
    })
}
