//! Navigation: what applications draw for a user (`GET /api/features/my`), and what the caller may
//! do in the context of the headers (`GET /api/access/me`).

mod access_routes;
mod cache;
mod routes;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::access::{Catalogue, HeldRole, Merged, Rule};
use crate::http::app::App;
use crate::kernel::ids::{InstanceId, MandateId};
use crate::kernel::languages;
use crate::kernel::translations::Texts;
use store::Row;

pub fn routes(app: &App) -> OpenApiRouter<App> {
    routes::routes(app).merge(access_routes::routes(app))
}

/// Everything that is open to a user.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Navigation {
    /// By name.
    mandates: Vec<NavigationMandate>,
}

/// A mandate in which something is open to the user.
#[derive(Debug, Serialize, ToSchema)]
pub struct NavigationMandate {
    id: MandateId,
    #[schema(example = "Acme")]
    name: String,
    #[schema(example = "acme")]
    code: String,
    features: Vec<NavigationFeature>,
}

/// A feature of which the user has instances.
#[derive(Debug, Serialize, ToSchema)]
pub struct NavigationFeature {
    #[schema(example = "trustee")]
    code: String,
    /// By language; only the one that answers `lang`, where that was given.
    #[schema(value_type = BTreeMap<String, String>, example = json!({
        "en": "Trustee", "de": "Treuhand",
    }))]
    label: Texts,
    #[schema(example = "mdi-scale-balance")]
    icon: String,
    /// By label.
    instances: Vec<NavigationInstance>,
}

/// An instance that is open to the user, with what they may do there.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NavigationInstance {
    id: InstanceId,
    #[schema(example = "trustee")]
    feature_code: String,
    mandate_id: MandateId,
    #[schema(example = "Acme")]
    mandate_name: String,
    #[schema(example = "Accounting 2026")]
    instance_label: String,
    /// The label of the held role that grants the most.
    #[schema(example = "trustee-accountant")]
    user_role: Option<String>,
    /// Labels of all held roles.
    #[schema(example = json!(["trustee-accountant"]))]
    roles: Vec<String>,
    permissions: NavigationPermissions,
}

/// Merged permissions. `fields` is kept for permissions by field, of which there are none yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct NavigationPermissions {
    /// A rule for each table.
    #[schema(example = json!({"contracts":
        {"view": true, "read": "a", "create": "m", "update": "m", "delete": "n"}}))]
    tables: BTreeMap<String, Rule>,
    /// For each view, whether it is allowed.
    #[schema(example = json!({"dashboard": true}))]
    views: BTreeMap<String, bool>,
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

impl Navigation {
    /// Builds the tree from rows that come ordered by mandate, feature and label.
    fn of(rows: Vec<Row>, language: Option<&str>) -> Self {
        let mut navigation = Self::default();
        for row in rows {
            navigation.add(row, language);
        }
        navigation
    }

    fn add(&mut self, row: Row, language: Option<&str>) {
        if self.mandates.last().is_none_or(|mandate| mandate.id != row.mandate_id) {
            let (id, name, code) =
                (row.mandate_id, row.mandate_name.clone(), row.mandate_code.clone());
            self.mandates.push(NavigationMandate { id, name, code, features: Vec::new() });
        }
        let Some(mandate) = self.mandates.last_mut() else { return };
        if mandate.features.last().is_none_or(|feature| feature.code != row.feature_code) {
            let label = in_language(&row.feature_label, language);
            mandate.features.push(NavigationFeature {
                code: row.feature_code.clone(),
                label,
                icon: row.icon.clone(),
                instances: Vec::new(),
            });
        }
        if let Some(feature) = mandate.features.last_mut() {
            feature.instances.push(row.into_instance());
        }
    }
}

/// The text in the language that answers the wish, still as an object.
fn in_language(label: &Texts, wanted: Option<&str>) -> Texts {
    let Some(wanted) = wanted else { return label.clone() };
    languages::lookup(label, wanted)
        .map(|(language, text)| (language.to_owned(), text.to_owned()))
        .into_iter()
        .collect()
}

/// Those of all labels.
fn languages_of(rows: &[Row]) -> BTreeSet<String> {
    rows.iter().flat_map(|row| row.feature_label.keys().cloned()).collect()
}

impl Row {
    fn into_instance(self) -> NavigationInstance {
        let catalogue = Catalogue::instance(self.tables, self.views);
        let merged = Merged::of(self.roles.iter().map(|role| &role.permissions), &catalogue);
        NavigationInstance {
            id: self.instance_id,
            feature_code: self.feature_code,
            mandate_id: self.mandate_id,
            mandate_name: self.mandate_name,
            instance_label: self.instance_label,
            user_role: greatest(&self.roles, &catalogue),
            roles: self.roles.into_iter().map(|role| role.label).collect(),
            permissions: NavigationPermissions {
                tables: merged.tables,
                views: merged.views,
                fields: Map::new(),
            },
        }
    }
}

/// The role that grants the most; of equals the first by label, in which order they come.
fn greatest(roles: &[HeldRole], catalogue: &Catalogue) -> Option<String> {
    let weight = |role: &HeldRole| Merged::of([&role.permissions], catalogue).weight();
    let mut best: Option<(usize, &HeldRole)> = None;
    for role in roles {
        let weight = weight(role);
        if best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, role));
        }
    }
    best.map(|(_, role)| role.label.clone())
}
