//! Bodies of requests: what a feature is to be, checked.

use serde::Deserialize;
use utoipa::ToSchema;

use super::Feature;
use super::spelling;
use crate::http::patch;
use crate::kernel::error::{Error, Result, keep};
use crate::kernel::translations::{Kind, Texts, TextsPatch};

/// A new feature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateFeature {
    /// `[a-z][a-z0-9-]{1,62}`, not `my`, `instances` or `templates`.
    #[schema(example = "trustee", pattern = "^[a-z][a-z0-9-]{1,62}$")]
    pub(super) code: String,
    /// By language. When left out: the code as a title, in `en` and `de`.
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({
        "en": "Trustee", "de": "Treuhand",
    }))]
    pub(super) label: Option<Texts>,
    #[schema(example = "mdi-scale-balance")]
    pub(super) icon: Option<String>,
    /// The tables that instance roles can speak of: at most 200, each
    /// `[A-Za-z][A-Za-z0-9_.:-]{0,127}`, compared exactly.
    #[schema(example = json!(["TrusteeContract"]))]
    pub(super) tables: Option<Vec<String>>,
    /// The views that instance roles can allow: at most 500, named like tables.
    #[schema(example = json!(["ui.feature.trustee.dashboard"]))]
    pub(super) views: Option<Vec<String>>,
}

/// `my-feature` → "My Feature", in the two languages of the product.
pub(super) fn titled(code: &str) -> Texts {
    let words = code.split('-').filter(|word| !word.is_empty()).map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    let title = words.collect::<Vec<_>>().join(" ");
    [("en".to_owned(), title.clone()), ("de".to_owned(), title)].into()
}

/// What to change of a feature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateFeature {
    /// Some of its languages: those named change, null takes one away. The last one stays.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(value_type = BTreeMap<String, Option<String>>, nullable = false, example = json!({
        "de": "Treuhand", "fr": null,
    }))]
    label: Option<TextsPatch>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "mdi-scale-balance")]
    icon: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = json!(["contracts"]))]
    tables: Option<Vec<String>>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = json!(["dashboard"]))]
    views: Option<Vec<String>>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    pub(super) version: Option<i64>,
}

impl UpdateFeature {
    pub(super) fn applied_to(self, before: &Feature) -> Result<Feature> {
        let mut errors = Vec::new();
        let mut after = before.clone();
        let merged = |patch: TextsPatch| {
            patch.checked("/label", Kind::Labels)?.applied_to("/label", &before.label, Kind::Labels)
        };
        if let Some(label) = self.label.and_then(|patch| keep(merged(patch), &mut errors)) {
            after.label = label;
        }
        if let Some(icon) =
            self.icon.and_then(|icon| keep(spelling::checked_icon(&icon), &mut errors))
        {
            after.icon = icon;
        }
        if let Some(tables) = self
            .tables
            .and_then(|tables| keep(spelling::checked_tables(&tables, &before.tables), &mut errors))
        {
            after.tables = tables;
        }
        if let Some(views) =
            self.views.and_then(|views| keep(spelling::checked_views(&views), &mut errors))
        {
            after.views = views;
        }
        if errors.is_empty() { Ok(after) } else { Err(Error::invalid(errors)) }
    }
}
