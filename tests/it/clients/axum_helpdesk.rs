//! An application with tickets of its own, guarded as Bailiwick's table `tickets` of its feature
//! `helpdesk`. All tenants' tickets are in one table: every statement names mandate and instance.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use serde::Serialize;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::axum_guard::{Bailiwick, Refused, Scope, guarded};

pub const TABLE: &str = "create table tickets (
    mandate uuid, instance uuid, id uuid default gen_random_uuid(),
    owner uuid not null, text text not null,
    primary key (mandate, instance, id))";

#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Ticket {
    pub id: Uuid,
    pub owner: Uuid,
    pub text: String,
}

#[derive(Debug, Clone)]
pub struct Helpdesk {
    pub bailiwick: Bailiwick,
    pub sql: PgPool,
}

/// Each route names the table and the operation that it is guarded by.
pub fn routes(helpdesk: Helpdesk) -> Router {
    let guard = |route, operation| guarded(route, &helpdesk.bailiwick, "tickets", operation);
    let tickets = guard(get(list), "read").merge(guard(post(open), "create"));
    let ticket = guard(get(show), "read").merge(guard(put(rewrite), "update"));
    Router::new().route("/tickets", tickets).route("/tickets/{id}", ticket).with_state(helpdesk)
}

/// The caller is let in at any level above none; the level picks the rows, in SQL, so that pages
/// and counts are right too.
async fn list(
    State(helpdesk): State<Helpdesk>,
    Extension(scope): Extension<Scope>,
    headers: HeaderMap,
) -> Result<Json<Vec<Ticket>>, Refused> {
    let owners = match scope.level("read") {
        'a' => None,
        'g' => Some(
            helpdesk
                .bailiwick
                .near(&headers, &scope, "read", helpdesk.owners(&scope).await?)
                .await?,
        ),
        _ => Some(vec![scope.user]),
    };
    let listed = "select id, owner, text from tickets
        where mandate = $1 and instance = $2 and ($3::uuid[] is null or owner = any($3)) order by id
          limit 100";
    Ok(Json(
        sqlx::query_as(listed)
            .bind(scope.mandate)
            .bind(scope.instance)
            .bind(owners)
            .fetch_all(&helpdesk.sql)
            .await?,
    ))
}

async fn open(
    State(helpdesk): State<Helpdesk>,
    Extension(scope): Extension<Scope>,
    text: String,
) -> Result<(StatusCode, Json<Uuid>), Refused> {
    let opened =
        "insert into tickets (mandate, instance, owner, text) values ($1, $2, $3, $4) returning id";
    let opened = sqlx::query_scalar(opened)
        .bind(scope.mandate)
        .bind(scope.instance)
        .bind(scope.user)
        .bind(text);
    Ok((StatusCode::CREATED, Json(opened.fetch_one(&helpdesk.sql).await?)))
}

async fn show(
    State(helpdesk): State<Helpdesk>,
    Extension(scope): Extension<Scope>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Json<Ticket>, Refused> {
    helpdesk.seen(&headers, &scope, id).await.map(Json)
}

/// Whose ticket it is turns out when it is found; then the question is about that owner.
async fn rewrite(
    State(helpdesk): State<Helpdesk>,
    Extension(scope): Extension<Scope>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    text: String,
) -> Result<StatusCode, Refused> {
    let ticket = helpdesk.seen(&headers, &scope, id).await?;
    if !helpdesk.bailiwick.reaches(&headers, &scope, "update", ticket.owner).await? {
        return Err(scope.denied("update"));
    }
    let rewritten = "update tickets set text = $4 where mandate = $1 and instance = $2 and id = $3";
    sqlx::query(rewritten)
        .bind(scope.mandate)
        .bind(scope.instance)
        .bind(id)
        .bind(text)
        .execute(&helpdesk.sql)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Helpdesk {
    /// One that is not there, one of another mandate or instance, and one that the caller may not
    /// read are the same 404.
    async fn seen(&self, headers: &HeaderMap, scope: &Scope, id: Uuid) -> Result<Ticket, Refused> {
        let found =
            "select id, owner, text from tickets where mandate = $1 and instance = $2 and id = $3";
        let found = sqlx::query_as(found).bind(scope.mandate).bind(scope.instance).bind(id);
        let found: Option<Ticket> = found.fetch_optional(&self.sql).await?;
        match found {
            Some(ticket)
                if self.bailiwick.reaches(headers, scope, "read", ticket.owner).await? =>
            {
                Ok(ticket)
            }
            _ => Err(Refused::problem(
                StatusCode::NOT_FOUND,
                "not_found",
                "There is no such ticket, or you may not see it.",
            )),
        }
    }

    /// Everybody who has tickets here.
    async fn owners(&self, scope: &Scope) -> Result<Vec<Uuid>, sqlx::Error> {
        let owners = "select distinct owner from tickets where mandate = $1 and instance = $2";
        sqlx::query_scalar(owners)
            .bind(scope.mandate)
            .bind(scope.instance)
            .fetch_all(&self.sql)
            .await
    }
}

impl From<sqlx::Error> for Refused {
    fn from(_: sqlx::Error) -> Self {
        Self::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "The request failed. Try again.",
        )
    }
}
