//! The list of all accounts, for SysAdmins.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::User;
use super::columns::{user_of, users};
use crate::context::System;
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::MandateId;

/// A membership, as the list of users shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserMandate {
    pub id: MandateId,
    #[schema(example = "Acme")]
    pub name: String,
    #[schema(example = "acme")]
    pub code: String,
    #[schema(example = true)]
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
        };
    }
    Ok(match (by_name(paging), paging.descending) {
        (true, false) => listed!("u.username_key", ">", "", paging.bound_text()).await?,
        (true, true) => listed!("u.username_key", "<", " desc", paging.bound_text()).await?,
        (false, false) => listed!("u.created_at", ">", "", paging.bound_time()).await?,
        (false, true) => listed!("u.created_at", "<", " desc", paging.bound_time()).await?,
    })
}

async fn count(connection: &mut PgConnection, _: System, filter: &Filter) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from users u
           where u.erased_at is null
             and ($1::text is null or strpos(u.username_key, $1) > 0
                  or strpos(coalesce(u.email_key, ''), $1) > 0
                  or strpos(lower(coalesce(u.first_name, '') || ' '
                                  || coalesce(u.last_name, '')), $1) > 0)
             and ($2::bool is null or u.enabled = $2)
             and ($3::bool is null or u.is_sys_admin = $3)
             and ($4::text is null or u.username_key = $4)
             and ($5::text is null or u.email_key = $5)
             and ($6::uuid is null
                  or exists (select 1 from memberships o
                             join mandates d on d.id = o.mandate_id
                             where o.mandate_id = $6 and o.user_id = u.id
                               and d.deleted_at is null))"#,
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
