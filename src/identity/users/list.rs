//! The list of all accounts, for SysAdmins.

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};
use utoipa::ToSchema;

use super::User;
use crate::context::System;
use crate::kernel::db::listing::{Key, Listing, Order, Values};
use crate::kernel::db::page::{Paging, Rows};
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
#[derive(Debug, FromRow, Serialize, ToSchema)]
pub struct UserWithMandates {
    #[serde(flatten)]
    #[sqlx(flatten)]
    pub user: User,
    #[sqlx(json)]
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

/// What is told of an account `u`: the columns of [`users!`](super::columns::users), and where it
/// belongs.
const COLUMNS: &str = "u.id, u.username, u.email, u.first_name, u.last_name, u.language, u.enabled,
    u.is_sys_admin, u.email_verified, u.must_change_password, false as mfa_enabled,
    u.created_at, u.last_login_at, u.version,
    (select coalesce(jsonb_agg(jsonb_build_object(
               'id', d.id, 'name', d.name, 'code', d.code, 'enabled', m.enabled, 'roles',
               (select coalesce(jsonb_agg(r.label order by r.label_key), '[]')
                from member_roles mr
                join roles r on r.mandate_id = mr.mandate_id and r.id = mr.role_id
                where mr.mandate_id = m.mandate_id and mr.user_id = m.user_id))
             order by d.name_key, d.id), '[]')
     from memberships m join mandates d on d.id = m.mandate_id
     where m.user_id = u.id and d.deleted_at is null) as mandates";

const FILTER: &str = "($1::text is null
         or strpos(u.username_key, $1) > 0
         or strpos(coalesce(u.email_key, ''), $1) > 0
         or strpos(lower(coalesce(u.first_name, '') || ' ' || coalesce(u.last_name, '')), $1) > 0)
    and ($2::bool is null or u.enabled = $2)
    and ($3::bool is null or u.is_sys_admin = $3)
    and ($4::text is null or u.username_key = $4)
    and ($5::text is null or u.email_key = $5)
    and ($6::uuid is null
         or exists (select 1 from memberships o join mandates d on d.id = o.mandate_id
                    where o.mandate_id = $6 and o.user_id = u.id and d.deleted_at is null))";

/// Accounts with their mandates and roles, in one statement.
pub async fn list(
    connection: &mut PgConnection,
    _: System,
    filter: &Filter,
    paging: &Paging,
) -> Result<Rows<UserWithMandates>> {
    let key = match paging.sort.as_str() {
        "username" => Key::Text("u.username_key"),
        _ => Key::Time("u.created_at"),
    };
    let listing = Listing {
        columns: COLUMNS,
        from: "users u",
        beside: "",
        reach: "u.erased_at is null",
        filter: FILTER,
        order: Order::by(key, "u.id"),
    };
    let values = Values::of(filter.text.as_deref())
        .and(filter.enabled)
        .and(filter.is_sys_admin)
        .and(filter.username_key.as_deref())
        .and(filter.email_key.as_deref())
        .and(filter.mandate);
    listing.read(connection, paging, values).await
}
