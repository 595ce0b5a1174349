//! `/api/users/lookup`: whether somebody has an account, for those who may add members. A read that
//! leaves an event, whether it finds somebody or not: whoever tries out names is seen doing it.

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::KnownUser;
use super::reference::{self, UserReference};
use crate::access::tables::{Create, Members};
use crate::context::MandateContext;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::extract::{Json, Query};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::names;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(lookup_user)
            .refuses(&[Code::NotFound])
            .guard(app, Policy::table::<Members, Create>().class(Class::Auth)),
    )
}

/// Whom to look up: exactly one of the two.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LookupQuery {
    /// The whole username.
    #[param(example = "bob")]
    username: Option<String>,
    /// The whole e-mail address.
    #[param(example = "bob@acme.example")]
    email: Option<String>,
}

impl LookupQuery {
    fn named(&self) -> Result<UserReference> {
        match (self.username.as_deref(), self.email.as_deref()) {
            (Some(username), None) => {
                Ok(UserReference::UsernameKey(names::account_key(username).unwrap_or_default()))
            }
            (None, Some(email)) => {
                Ok(UserReference::EmailKey(names::address_key(email).unwrap_or_default()))
            }
            _ => Err(Error::new(
                Code::InvalidParameter,
                "Exactly one of `username` and `email` must be given.",
            )),
        }
    }
}

/// Finds an account by its whole username or address, as in adding a member. Each time is told in
/// the mandate's audit trail.
#[utoipa::path(get, path = "/api/users/lookup", tag = "Users", params(LookupQuery),
    responses((status = 200, description = "The account", body = KnownUser),
              (status = 404, description = "Nobody is called so")))]
async fn lookup_user(
    context: MandateContext,
    Query(query): Query<LookupQuery>,
) -> Result<Json<KnownUser>> {
    let asked = query.named()?;
    let grant = context.grant::<Members, Create>()?;
    let mut writing = context.caller().write().await?;
    let found = reference::lookup(&mut writing, &grant, &asked).await?;
    let event = match &found {
        Some(user) => Event::new(Action::UserLookedUp, ResourceType::User, user.id).target(user.id),
        None => Event::of_nothing(Action::LookupFailed, ResourceType::User),
    };
    let recorded = audit::record_as_system(&mut writing, &context, event).await?;
    writing.commit(recorded).await?;
    found.map(Json).ok_or_else(Error::not_found)
}
