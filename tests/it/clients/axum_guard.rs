//! Guards the tables of an application by what Bailiwick says of the caller. Nothing is remembered from one request to the
//! next: a right that was taken away is gone with the next request. Where Bailiwick cannot tell, nothing is allowed.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use serde_json::{Value, json};

/// Who asks, in which mandate and instance; and the id under which both sides log it.
const FORWARDED: [&str; 4] = ["authorization", "x-mandate-id", "x-instance-id", "x-request-id"];

/// Where Bailiwick is. One for the whole application, since it keeps the connections open.
#[derive(Debug, Clone)]
pub struct Bailiwick {
    http: reqwest::Client,
    base: String,
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
    fn problem(status: StatusCode, code: &str, detail: &str) -> Self {
        let title = status.canonical_reason();
        let problem = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "detail": detail });
        Self(Box::new((status, [(CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response()))
    }

    fn unavailable() -> Self {
        Self::problem(StatusCode::SERVICE_UNAVAILABLE, "access_unknown", "Whether this is allowed could not be found out. Try again.")
    }

    /// What Bailiwick refuses (401, 403, 429 …) it refuses this caller: it is passed on as it stands.
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

    /// Goes on only where the caller may do this; with an owner, only where they may do it to rows of that user.
    pub async fn require(&self, caller: &HeaderMap, table: &str, operation: &str, owner: Option<&str>) -> Result<(), Refused> {
        let allowed = self.reached(caller, table, operation, &[owner]).await?;
        let detail = || format!("You may not {operation} this in `{table}`.");
        if allowed == [true] { Ok(()) } else { Err(Refused::problem(StatusCode::FORBIDDEN, "permission_denied", &detail())) }
    }

    /// Of which of these owners the caller may do this to rows, in one question of at most 100.
    pub async fn reached(&self, caller: &HeaderMap, table: &str, operation: &str, owners: &[Option<&str>]) -> Result<Vec<bool>, Refused> {
        let check = |owner| json!({ "table": table, "operation": operation, "ownerId": owner });
        let checks: Vec<Value> = owners.iter().map(check).collect();
        let question = self.http.post(format!("{}/api/access/check", self.base)).json(&json!({ "checks": checks }));
        let answer = send(caller, question).await?;
        let results = answer["results"].as_array().filter(|results| results.len() == owners.len()).ok_or_else(Refused::unavailable)?;
        Ok(results.iter().map(|result| result["allowed"] == true).collect())
    }

    /// The caller's user id: the owner of what they create.
    pub async fn caller(&self, caller: &HeaderMap) -> Result<String, Refused> {
        let answer = send(caller, self.http.get(format!("{}/api/access/me", self.base))).await?;
        answer["userId"].as_str().map(str::to_owned).ok_or_else(Refused::unavailable)
    }
}

async fn send(caller: &HeaderMap, mut question: reqwest::RequestBuilder) -> Result<Value, Refused> {
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

/// A route that asks before it does anything.
pub fn guarded<S>(route: MethodRouter<S>, bailiwick: &Bailiwick, table: &'static str, operation: &'static str) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let bailiwick = bailiwick.clone();
    route.route_layer(from_fn(move |request: Request, next: Next| {
        let bailiwick = bailiwick.clone();
        async move {
            match bailiwick.require(request.headers(), table, operation, None).await {
                Ok(()) => next.run(request).await,
                Err(refused) => refused.into_response(),
            }
        }
    }))
}
