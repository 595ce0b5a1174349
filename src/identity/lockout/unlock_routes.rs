//! `POST /api/auth/unlock`: letting somebody try again.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::context::SystemContext;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::extract::{Json, NoContent};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Result};
use crate::kernel::ids::UserId;
use crate::kernel::missing::Thing;

pub fn routes(app: &App) -> Routes {
    Routes::new().routes(
        routes!(unlock_user)
            .refuses(&[Code::NotFound])
            .guard(app, Policy::sys().class(Class::Auth)),
    )
}

/// Whom to unlock.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UnlockUser {
    user_id: UserId,
}

/// Forgets what failed with somebody's username, their address and their own password, so that they
/// may try again at once.
#[utoipa::path(post, path = "/api/auth/unlock", tag = "Sign-in", request_body = UnlockUser,
    responses((status = 204, description = "Unlocked")))]
async fn unlock_user(
    State(app): State<App>,
    system: SystemContext,
    Json(UnlockUser { user_id: user }): Json<UnlockUser>,
) -> Result<NoContent> {
    retrying(|| unlock(&app, &system, user)).await
}

async fn unlock(app: &App, system: &SystemContext, user: UserId) -> Result<NoContent> {
    let account = system.system().account(user);
    let mut writing = system.write().await?;
    if !super::unlock(&mut writing, app, system, account).await? {
        return Err(Thing::User.missing("/userId"));
    }
    let event = Event::new(Action::UserUnlocked, ResourceType::User, user).target(user);
    let recorded = audit::record_platform(&mut writing, system, event).await?;
    writing.commit(recorded).await?;
    Ok(NoContent)
}
