//! `/metrics`, on a listener of its own: numbers about every route are for operators, and the API's
//! listener is for everybody.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::http::app::App;

/// The routes of the metrics listener.
pub fn router(app: &App) -> Router {
    Router::new().route("/metrics", get(get_metrics)).with_state(app.clone())
}

async fn get_metrics(State(app): State<App>) -> impl IntoResponse {
    let headers =
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, crate::kernel::telemetry::render(&app.services().db))
}
