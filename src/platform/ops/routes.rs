//! `/healthz`, `/readyz`, `/startupz`, `/ping`, `/openapi.json`, `/.well-known/security.txt`,
//! `/docs`, `/problems/{code}` and what `/` leads to.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Router};
use chrono::{Duration, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::schema::SchemaWatch;
use super::{ProblemPath, problem_page};
use crate::context::policy::{Class, Policy};
use crate::http::app::App;
use crate::http::extract::{FromPath, Json};
use crate::http::guard::{Guard, Routes};
use crate::kernel::error::{Code, Error, Result};

pub fn routes(app: &App) -> Routes {
    let open = || Policy::public().class(Class::Default);
    Routes::new()
        .routes(routes!(get_root).guard(app, open()))
        .routes(routes!(get_health).guard(app, open().unlimited()))
        .routes(
            routes!(get_readiness)
                .refuses(&[Code::Unavailable, Code::TimedOut])
                .guard(app, open().unlimited()),
        )
        .routes(
            routes!(get_startup)
                .refuses(&[
                    Code::Unavailable,
                    Code::DatabaseUnavailable,
                    Code::Overloaded,
                    Code::TimedOut,
                ])
                .guard(app, open().unlimited()),
        )
        .routes(
            routes!(get_ping)
                .refuses(&[
                    Code::Unavailable,
                    Code::DatabaseUnavailable,
                    Code::Overloaded,
                    Code::TimedOut,
                ])
                .guard(app, open().unlimited()),
        )
        .routes(routes!(get_openapi).guard(app, open().class(Class::Public)))
        .routes(
            routes!(get_security_contact)
                .refuses(&[Code::NotFound])
                .guard(app, open().class(Class::Public)),
        )
        .routes(routes!(get_problem).refuses(&[Code::NotFound]).guard(app, open()))
        .layer(Extension(SchemaWatch::default()))
}

/// Swagger UI under `/docs/`. It reads `/openapi.json` as any other client does; its own files are
/// in the binary. (Not declared route by route: they are somebody else's page and its assets, not
/// operations.)
pub fn docs_page() -> Router<App> {
    let config = Config::from("/openapi.json")
        .deep_linking(true)
        .display_request_duration(true)
        .show_extensions(true)
        .try_it_out_enabled(true);
    SwaggerUi::new("/docs").config(config).into()
}

/// A page and not a redirect: an operation without a 2xx answer is a mistake to most readers of
/// OpenAPI documents.
const FRONT_PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta \
     charset=\"utf-8\">\n<title>Bailiwick</title>\n\
     <meta http-equiv=\"refresh\" content=\"0; url=/docs/\">\n<a \
     href=\"/docs/\">Documentation</a>\n</html>\n";

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Leads to the documentation.
#[utoipa::path(get, path = "/", tag = "Operations",
    responses((status = 200, description = "A page, for people, that goes on to `/docs/`",
        body = String, content_type = "text/html")))]
async fn get_root() -> Html<&'static str> {
    Html(FRONT_PAGE)
}

/// The process runs and answers. It looks at nothing else: a service whose database is away is not
/// healed by a restart.
#[utoipa::path(get, path = "/healthz", tag = "Operations",
    responses((status = 200, description = "Alive", body = Health)))]
async fn get_health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// What a readiness check found, by the name of what was checked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    #[schema(example = "ready")]
    status: &'static str,
    #[schema(value_type = BTreeMap<String, Value>, example = json!({
        "database": "ok", "schema": "ok", "keys": "ok",
    }))]
    checks: Map<String, Value>,
}

/// The service may get traffic: its database answers and has the schema that this version needs.
/// And the secret key opens the service's own keys.
#[utoipa::path(get, path = "/readyz", tag = "Operations",
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready; `checks` names what fails")))]
async fn get_readiness(
    State(app): State<App>,
    Extension(schema): Extension<SchemaWatch>,
) -> Result<Json<Readiness>> {
    let checks = checks(&app, &schema).await;
    if checks.values().all(|check| check == "ok") {
        return Ok(Json(Readiness { status: "ready", checks }));
    }
    let failing: Map<String, Value> =
        checks.into_iter().filter(|(_, check)| check != "ok").collect();
    let names: Vec<&str> = failing.keys().map(String::as_str).collect();
    let detail = format!("Not ready: {}.", names.join(", "));
    Err(Error::new(Code::Unavailable, detail).with("checks", failing).retry_after(2))
}

async fn checks(app: &App, schema: &SchemaWatch) -> Map<String, Value> {
    let (database, schema) = match schema.state(&app.services().db).await {
        Ok(state) if state.is_current() => (json!("ok"), json!("ok")),
        Ok(state) => {
            (json!("ok"), json!(format!("{} migrations are pending", state.pending.len())))
        }
        Err(_) => (json!("does not answer"), json!("unknown")),
    };
    let keys = if app.has_all_keys() { "ok" } else { "some are sealed under another secret key" };
    let found = [("database", database), ("schema", schema), ("keys", json!(keys))];
    found.into_iter().map(|(name, found)| (name.to_owned(), found)).collect()
}

/// The service has started: all migrations have run.
#[utoipa::path(get, path = "/startupz", tag = "Operations",
    responses(
        (status = 200, description = "Started", body = Health),
        (status = 503, description = "Migrations are pending, or the database is away")))]
async fn get_startup(
    State(app): State<App>,
    Extension(schema): Extension<SchemaWatch>,
) -> Result<Json<Health>> {
    require_schema(&app, &schema).await?;
    Ok(Json(Health { status: "started" }))
}

/// A greeting.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pong {
    #[schema(example = "ok")]
    message: &'static str,
}

/// Answers `ok`, except while migrations are pending.
#[utoipa::path(get, path = "/ping", tag = "Operations",
    responses(
        (status = 200, description = "Here", body = Pong),
        (status = 503, description = "Migrations are pending, or the database is away")))]
async fn get_ping(
    State(app): State<App>,
    Extension(schema): Extension<SchemaWatch>,
) -> Result<Json<Pong>> {
    require_schema(&app, &schema).await?;
    Ok(Json(Pong { message: "ok" }))
}

async fn require_schema(app: &App, schema: &SchemaWatch) -> Result<()> {
    let state = schema.state(&app.services().db).await?;
    if state.is_current() {
        return Ok(());
    }
    Err(Error::new(Code::Unavailable, format!("{} migrations are pending.", state.pending.len()))
        .retry_after(5))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "Operations",
    responses((status = 200, description = "The OpenAPI document", body = Object,
        example = json!({
            "openapi": "3.1.0", "info": {"title": "Bailiwick", "version": "0.1.0"}, "paths": {},
        }))))]
async fn get_openapi(State(app): State<App>) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    (headers, app.document()).into_response()
}

/// How long what `security.txt` says may be believed; RFC 9116 asks for less than a year.
const BELIEVED: Duration = Duration::days(30);

/// Whom to report weaknesses to: `security.txt` (RFC 9116), where the operator has set a contact.
#[utoipa::path(get, path = "/.well-known/security.txt", tag = "Operations",
    responses(
        (status = 200, description = "The contact", body = String, content_type = "text/plain",
            example = json!("Contact: mailto:security@example.org\nExpires: \
                2027-01-31T00:00:00Z\nPreferred-Languages: en\n")),
        (status = 404, description = "Nobody is named")))]
async fn get_security_contact(State(app): State<App>) -> Result<Response> {
    let unnamed = || {
        Error::new(
            Code::NotFound,
            "Nobody is named here: the operator has not set BAILIWICK_SECURITY_CONTACT.",
        )
    };
    let contact = app.settings().security_contact.as_ref().ok_or_else(unnamed)?;
    let expires =
        (app.services().moment().now() + BELIEVED).to_rfc3339_opts(SecondsFormat::Secs, true);
    let text = format!("Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\n");
    let headers =
        [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")];
    Ok((headers, text).into_response())
}

/// Explains a problem's code; the `type` of every problem leads here.
#[utoipa::path(get, path = "/problems/{code}", tag = "Operations",
    params(ProblemPath),
    responses(
        (status = 200, description = "The explanation, for people",
            body = String, content_type = "text/html"),
        (status = 404, description = "No such code")))]
async fn get_problem(FromPath(ProblemPath { code }): FromPath<ProblemPath>) -> Result<Response> {
    let code = Code::from_name(&code).ok_or_else(Error::not_found)?;
    Ok(problem_page::render(code))
}
