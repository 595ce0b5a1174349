//! What the service is compared with: handlers that do no more than they must. They run in a
//! process of their own, like the service, verify the same token by the same cache, and answer as
//! many bytes.
//!
//! - `/bytes/…` verifies the token and answers.
//! - `/statements/…` also asks the database all that the service asks, on as many connections.
//! - `/transaction/…` only the transaction of it: a tenant read without looking whether the session
//!   is still alive.

use std::collections::HashSet;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::serve::ListenerExt;
use bailiwick::kernel::clock::{Clock, SystemClock};
use bailiwick::kernel::credentials::token::Tokens;
use chrono::Duration;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::people;
use crate::plan::{Answer, Endpoint, Plan, READER_CONNECTIONS, Visit, WORK_CONNECTIONS};
use crate::replay::{self, Script};

/// What all handlers share.
#[derive(Clone)]
struct Bare {
    tokens: Tokens,
    work: PgPool,
    reader: PgPool,
}

/// One endpoint's handler.
struct Handler {
    bare: Bare,
    known: HashSet<HeaderValue>,
    body: Bytes,
    answer: Answer,
    visits: Vec<(bool, Script)>,
}

/// Serves until the harness that started it closes its standard input.
pub async fn serve(plan: Plan, address: SocketAddr) -> Result<()> {
    let bare = Bare {
        tokens: people::tokens(&plan.secret, plan.issuer, Duration::minutes(15))?,
        work: replay::pool(&plan.database_url, WORK_CONNECTIONS, false)?,
        reader: replay::pool(&plan.database_url, READER_CONNECTIONS, true)?,
    };
    let mut router = Router::new();
    for endpoint in &plan.endpoints {
        let transaction: Vec<_> = endpoint.transaction().cloned().into_iter().collect();
        for (side, visits) in [
            ("bytes", Vec::new()),
            ("statements", endpoint.visits.clone()),
            ("transaction", transaction),
        ] {
            let handler = Arc::new(Handler::new(&bare, endpoint, visits)?);
            let respond = move |headers: HeaderMap, _body: Bytes| {
                let handler = handler.clone();
                async move { handler.respond(&headers).await }
            };
            router = router.route(&format!("/{side}/{}", endpoint.name), any(respond));
        }
    }
    // As the service does it.
    let listener = TcpListener::bind(address).await?.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Ok(axum::serve(listener, router).await?)
}

impl Handler {
    fn new(bare: &Bare, endpoint: &Endpoint, visits: Vec<Visit>) -> Result<Self> {
        let headers = endpoint.ask.callers.iter().flatten();
        let known = headers.filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match"));
        // Without a statement there are no rows to make an answer of.
        let answer = if visits.is_empty() { Answer::Canned } else { endpoint.answer };
        Ok(Self {
            bare: bare.clone(),
            known: known.map(|(_, tag)| tag.parse()).collect::<Result<_, _>>()?,
            body: endpoint.body.clone().into(),
            answer,
            visits: visits.into_iter().map(|visit| (visit.reader, Script::of(visit))).collect(),
        })
    }

    async fn respond(&self, headers: &HeaderMap) -> Response {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if token.and_then(|token| self.bare.tokens.verify(token, SystemClock.now())).is_none() {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        match self.ask().await {
            Ok(body) => self.answer(headers, body),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
        }
    }

    async fn ask(&self) -> Result<Option<Bytes>> {
        let mut body = None;
        for (reader, script) in &self.visits {
            let pool = if *reader { &self.bare.reader } else { &self.bare.work };
            let mut connection = pool.acquire().await.context("no connection")?;
            // The small pool tells whether the session is alive; its rows are no members.
            let wants_members = self.answer == Answer::Members && !reader;
            if let Some(page) = script.run(&mut connection, wants_members).await? {
                body = Some(serde_json::to_vec(&page)?.into());
            }
        }
        Ok(body)
    }

    fn answer(&self, headers: &HeaderMap, body: Option<Bytes>) -> Response {
        if let Some(tag) = headers.get(IF_NONE_MATCH).and_then(|tag| self.known.get(tag)) {
            return (StatusCode::NOT_MODIFIED, [(ETAG, tag.clone())]).into_response();
        }
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (headers, Body::from(body.unwrap_or_else(|| self.body.clone()))).into_response()
    }
}
