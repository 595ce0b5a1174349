//! `/api/users`: all accounts, and new ones.

use axum::extract::State;
use utoipa_axum::routes;

use super::User;
use super::list::{self, Filter, UserWithMandates};
use super::request::CreateUser;
use super::routes::created;
use super::store::{self, NewUser};
use crate::context::SystemContext;
use crate::context::audit;
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::etag::Versioned;
use crate::http::extract::{Created, Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer, Search};
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::MandateId;
use crate::kernel::names;
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(routes!(list_users).guard(app, Policy::sys())).routes(
        routes!(create_user)
            .refuses(&[Code::UsernameTaken, Code::EmailTaken, Code::Unavailable])
            .guard(app, Policy::sys()),
    )
}

list_query! {
    UsersQuery sorted by "username", "createdAt" {
        /// Part of a username, address or name.
        #[param(value_type = Option<String>, example = "ac")]
        q: Search,
        /// Only enabled ones, or only disabled ones.
        #[param(example = true)]
        enabled: bool,
        /// Only SysAdmins, or only others.
        is_sys_admin: bool,
        /// Only the account of this username.
        #[param(example = "bob")]
        username: String,
        /// Only the account of this address.
        #[param(example = "bob@acme.example")]
        email: String,
        /// Only those that belong to this mandate.
        #[param(inline)]
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
    let filter = Filter {
        text: query.q.map(Search::into_key),
        enabled: query.enabled,
        is_sys_admin: query.is_sys_admin,
        username_key: query.username.map(|name| names::account_key(&name).unwrap_or_default()),
        email_key: query.email.map(|email| names::address_key(&email).unwrap_or_default()),
        mandate: query.mandate_id,
    };
    let mut reading = system.read().await?;
    let rows = list::list(&mut reading, system.system(), &filter, &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// Makes an account. It has no access to anything until a mandate adds it, and unless
/// `mustChangePassword` is `false` its owner has to change the password first.
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
        password_hash: Some(&hash),
        is_sys_admin: body.is_sys_admin.unwrap_or(false),
        must_change_password: body.must_change_password.unwrap_or(true),
        ..checked.account(system.now())
    };
    let user = store::insert(&mut writing, system.system().into(), &new).await?;
    let recorded = audit::record_platform(&mut writing, &system, created(&user)).await?;
    writing.commit(recorded).await?;
    Ok(Created { location: format!("/api/users/{}", user.id), answer: Versioned(user) })
}
