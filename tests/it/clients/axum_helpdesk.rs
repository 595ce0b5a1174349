//! An application with tickets of its own, guarded as Bailiwick's table `tickets` of its feature `helpdesk`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Serialize;

use super::axum_guard::{Bailiwick, Refused, guarded};

#[derive(Debug, Clone, Serialize)]
pub struct Ticket {
    pub owner: String,
    pub text: String,
}

#[derive(Debug, Clone)]
pub struct Helpdesk {
    pub bailiwick: Bailiwick,
    pub tickets: Arc<Mutex<Vec<Ticket>>>,
}

/// Each route names the table and the operation that it is guarded by.
pub fn routes(helpdesk: Helpdesk) -> Router {
    let bailiwick = &helpdesk.bailiwick;
    let tickets = guarded(get(list), bailiwick, "tickets", "read").merge(guarded(post(open), bailiwick, "tickets", "create"));
    let ticket = guarded(put(rewrite), bailiwick, "tickets", "update");
    Router::new().route("/tickets", tickets).route("/tickets/{number}", ticket).with_state(helpdesk)
}

/// The caller is let in at any level above none; the level picks the rows.
async fn list(State(helpdesk): State<Helpdesk>, headers: HeaderMap) -> Result<Json<Vec<Ticket>>, Refused> {
    let first: Vec<Ticket> = helpdesk.locked(|tickets| tickets.iter().take(100).cloned().collect());
    let owners: Vec<_> = first.iter().map(|ticket| Some(ticket.owner.as_str())).collect();
    let reached = helpdesk.bailiwick.reached(&headers, "tickets", "read", &owners).await?;
    Ok(Json(first.iter().zip(reached).filter(|(_, reached)| *reached).map(|(ticket, _)| ticket.clone()).collect()))
}

async fn open(State(helpdesk): State<Helpdesk>, headers: HeaderMap, text: String) -> Result<StatusCode, Refused> {
    let owner = helpdesk.bailiwick.caller(&headers).await?;
    helpdesk.locked(|tickets| tickets.push(Ticket { owner, text }));
    Ok(StatusCode::CREATED)
}

/// Whose ticket it is turns out when it is found; then the question is about that owner.
async fn rewrite(
    State(helpdesk): State<Helpdesk>,
    Path(number): Path<usize>,
    headers: HeaderMap,
    text: String,
) -> Result<StatusCode, Refused> {
    let found = helpdesk.locked(|tickets| tickets.get(number).map(|ticket| ticket.owner.clone()));
    let Some(owner) = found else { return Ok(StatusCode::NOT_FOUND) };
    helpdesk.bailiwick.require(&headers, "tickets", "update", Some(&owner)).await?;
    helpdesk.locked(|tickets| tickets[number].text = text);
    Ok(StatusCode::NO_CONTENT)
}

impl Helpdesk {
    /// In place of a database.
    fn locked<T>(&self, work: impl FnOnce(&mut Vec<Ticket>) -> T) -> T {
        work(&mut self.tickets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
