//! Guards the tables of an application by what Bailiwick says of the caller. Nothing is remembered
//! from one request to the next: a right that was taken away is gone with the next request. Where
//! Bailiwick cannot tell, nothing is allowed.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

/// Who asks, in which mandate and instance; and the id under which both sides log it.
const FORWARDED: [&str; 4] = ["authorization", "x-mandate-id", "x-instance-id", "x-request-id"];

/// Where Bailiwick is. One for the whole application, since it keeps the connections open.
#[derive(Debug, Clone)]
pub struct Bailiwick {
    http: reqwest::Client,
    base: String,
}

/// Where a request stands, as Bailiwick says. Every statement about rows names this mandate and
/// this instance; the headers of a request are only what its caller asks for.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    pub mandate: Uuid,
    pub instance: Uuid,
    /// The owner of what the caller creates.
    pub user: Uuid,
    table: &'static str,
    levels: Levels,
}

/// Of one table: `n` none, `m` the caller's own rows, `g` those of people who share a group with
/// them, `a` all of the instance.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Levels {
    read: char,
    create: char,
    update: char,
    delete: char,
}

/// The answer of `GET /api/access/me`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    user_id: Uuid,
    mandate_id: Option<Uuid>,
    instance_id: Option<Uuid>,
    tables: HashMap<String, Levels>,
}

impl Scope {
    pub fn level(&self, operation: &str) -> char {
        match operation {
            "read" => self.levels.read,
            "create" => self.levels.create,
            "update" => self.levels.update,
            "delete" => self.levels.delete,
            _ => 'n',
        }
    }

    pub fn denied(&self, operation: &str) -> Refused {
        let detail = format!("You may not {operation} this in `{}`.", self.table);
        Refused::problem(StatusCode::FORBIDDEN, "permission_denied", &detail)
    }
}

/// An answer that the request ends with: a problem document of Bailiwick's, or one of our own.
#[derive(Debug)]
pub struct Refused(Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl Refused {
    pub fn problem(status: StatusCode, code: &str, detail: &str) -> Self {
        let title = status.canonical_reason();
        let problem = json!({
            "type": "about:blank", "title": title, "status": status.as_u16(), "code": code,
            "detail": detail,
        });
        Self(Box::new(
            (status, [(CONTENT_TYPE, "application/problem+json")], problem.to_string())
                .into_response(),
        ))
    }

    fn unavailable() -> Self {
        Self::problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "access_unknown",
            "Whether this is allowed could not be found out. Try again.",
        )
    }

    /// What Bailiwick refuses (401, 403, 429 …) it refuses this caller: it is passed on as it
    /// stands.
    async fn passed_on(answer: reqwest::Response) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let Ok(body) = answer.bytes().await else { return Self::unavailable() };
        let mut response = (status, body).into_response();
        for name in [CONTENT_TYPE, WWW_AUTHENTICATE, RETRY_AFTER] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Self(Box::new(response))
    }
}

impl Bailiwick {
    /// `base` is its address, such as `http://127.0.0.1:8080`.
    pub fn at(base: &str) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        Ok(Self { http, base: base.to_owned() })
    }

    /// Goes on only where the caller may do this to any row at all.
    pub async fn scope(
        &self,
        caller: &HeaderMap,
        table: &'static str,
        operation: &str,
    ) -> Result<Scope, Refused> {
        let access: Access =
            send(caller, self.http.get(format!("{}/api/access/me", self.base))).await?;
        let missing = |code, header| {
            Refused::problem(
                StatusCode::BAD_REQUEST,
                code,
                &format!("The header {header} is missing."),
            )
        };
        let mandate =
            access.mandate_id.ok_or_else(|| missing("mandate_context_missing", "X-Mandate-Id"))?;
        let instance = access
            .instance_id
            .ok_or_else(|| missing("instance_context_missing", "X-Instance-Id"))?;
        let none = Levels { read: 'n', create: 'n', update: 'n', delete: 'n' };
        let levels = access.tables.get(table).copied().unwrap_or(none);
        let scope = Scope { mandate, instance, user: access.user_id, table, levels };
        if matches!(scope.level(operation), 'm' | 'g' | 'a') {
            Ok(scope)
        } else {
            Err(scope.denied(operation))
        }
    }

    /// Whether the caller may do this to a row of that owner, in the mandate and instance of the
    /// scope.
    pub async fn reaches(
        &self,
        caller: &HeaderMap,
        scope: &Scope,
        operation: &str,
        owner: Uuid,
    ) -> Result<bool, Refused> {
        match scope.level(operation) {
            'a' => Ok(true),
            'g' => Ok(!self.near(caller, scope, operation, vec![owner]).await?.is_empty()),
            level => Ok(level == 'm' && owner == scope.user),
        }
    }

    /// At level `g`: those of these owners whose rows the caller reaches. One question has room for
    /// 100.
    pub async fn near(
        &self,
        caller: &HeaderMap,
        scope: &Scope,
        operation: &str,
        owners: Vec<Uuid>,
    ) -> Result<Vec<Uuid>, Refused> {
        let check =
            |owner| json!({ "table": scope.table, "operation": operation, "ownerId": owner });
        let mut near = Vec::new();
        for some in owners.chunks(100) {
            let checks: Vec<Value> = some.iter().map(check).collect();
            let question = self
                .http
                .post(format!("{}/api/access/check", self.base))
                .json(&json!({ "checks": checks }));
            let answer: Value = send(caller, question).await?;
            let results = answer["results"]
                .as_array()
                .filter(|results| results.len() == some.len())
                .ok_or_else(Refused::unavailable)?;
            near.extend(
                some.iter()
                    .zip(results)
                    .filter(|(_, result)| result["allowed"] == true)
                    .map(|(owner, _)| *owner),
            );
        }
        Ok(near)
    }
}

async fn send<T: DeserializeOwned>(
    caller: &HeaderMap,
    mut question: reqwest::RequestBuilder,
) -> Result<T, Refused> {
    for name in FORWARDED {
        if let Some(value) = caller.get(name) {
            question = question.header(name, value);
        }
    }
    let answer = question.send().await.map_err(|_| Refused::unavailable())?;
    match answer.status() {
        StatusCode::OK => answer.json().await.map_err(|_| Refused::unavailable()),
        status if status.is_client_error() => Err(Refused::passed_on(answer).await),
        _ => Err(Refused::unavailable()),
    }
}

/// A route that asks before it does anything. Its handler takes the [`Scope`] from the request's
/// extensions.
pub fn guarded<S>(
    route: MethodRouter<S>,
    bailiwick: &Bailiwick,
    table: &'static str,
    operation: &'static str,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let bailiwick = bailiwick.clone();
    route.route_layer(from_fn(move |mut request: Request, next: Next| {
        let bailiwick = bailiwick.clone();
        async move {
            match bailiwick.scope(request.headers(), table, operation).await {
                Ok(scope) => {
                    request.extensions_mut().insert(scope);
                    next.run(request).await
                }
                Err(refused) => refused.into_response(),
            }
        }
    }))
}
