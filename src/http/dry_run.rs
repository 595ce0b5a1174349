//! `?dryRun=true`: asking what a change would do. The guard reads it, once for all routes, and the
//! context that it lets in never commits; a route that knows the parameter has [`DryRun`] among its
//! `params` and answers an [`Outcome`].

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::json_response;
use crate::context::Outcome;

/// Whether the request only asks.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct DryRun {
    /// Only answer what would change, after the same refusals; nothing is done.
    dry_run: Option<bool>,
}

impl DryRun {
    #[must_use]
    pub fn is_wanted(self) -> bool {
        self.dry_run.unwrap_or(false)
    }
}

impl<T: IntoResponse> IntoResponse for Outcome<T> {
    fn into_response(self) -> Response {
        match self {
            Outcome::Done(answer) => answer.into_response(),
            Outcome::Preview(preview) => json_response(StatusCode::OK, &preview),
        }
    }
}
