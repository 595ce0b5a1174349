//! `/api/features`: reading the catalogue, as everybody may.

use axum::http::HeaderMap;
use axum::response::Response;
use utoipa_axum::routes;

use super::{Feature, FeaturePath, find, list};
use crate::context::Caller;
use crate::context::policy::Policy;
use crate::http::app::App;
use crate::http::etag::resource_unless_known;
use crate::http::extract::{FromPath, Query};
use crate::http::guard::{Guard, Routes};
use crate::http::list::{Lister, Page, PageAnswer};
use crate::kernel::error::{Error, Result};
use crate::list_query;

pub(super) fn routes(app: &App) -> Routes {
    Routes::new()
        .routes(routes!(list_features).guard(app, Policy::user()))
        .routes(routes!(get_feature).guard(app, Policy::user()))
}

list_query! {
    FeaturesQuery sorted by "code" {}
}

/// The features that there are.
#[utoipa::path(get, path = "/api/features", tag = "Features", params(FeaturesQuery),
    responses((status = 200, description = "A page of features", body = Page<Feature>)))]
async fn list_features(
    caller: Caller,
    lister: Lister,
    Query(query): Query<FeaturesQuery>,
) -> Result<PageAnswer<Feature>> {
    let paging = query.paging(&lister)?;
    let mut reading = caller.read().await?;
    let rows = list::list(&mut reading, caller.signed_in(), &paging).await?;
    reading.finish().await?;
    Ok(lister.answer(&paging, rows))
}

/// A feature.
#[utoipa::path(get, path = "/api/features/{featureCode}", tag = "Features", params(FeaturePath),
    responses((status = 200, description = "The feature", body = Feature),
              (status = 304, description = "Not changed")))]
async fn get_feature(
    caller: Caller,
    headers: HeaderMap,
    FromPath(FeaturePath { feature_code: code }): FromPath<FeaturePath>,
) -> Result<Response> {
    let mut reading = caller.read().await?;
    let feature =
        find::find(&mut reading, caller.signed_in(), &code).await?.ok_or_else(Error::not_found)?;
    reading.finish().await?;
    Ok(resource_unless_known(&headers, &feature))
}
