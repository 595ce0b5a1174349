//! Erasing an account: who may ([`allowed`]), what goes ([`gone`]), what stays, and that nothing of
//! it comes back ([`left`]).

mod allowed;
mod gone;
mod left;

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::Desk;
use crate::harness::app::Answer;
use crate::harness::world::World;

fn row(id: Uuid) -> String {
    format!("/api/users/{id}")
}

fn erasing(id: Uuid) -> String {
    format!("/api/users/{id}?mode=erase")
}

/// Erases one's own account with this password.
async fn erase_own(desk: &Desk<'_>, id: Uuid, password: &str) -> Answer {
    desk.ask(Method::DELETE, erasing(id)).json(json!({ "password": password })).send().await
}

/// Everything that is kept of an account.
async fn kept(world: &World, id: Uuid) -> Value {
    sqlx::query_scalar("select to_jsonb(u) from users u where id = $1")
        .bind(id)
        .fetch_one(&world.app.sql)
        .await
        .unwrap()
}
