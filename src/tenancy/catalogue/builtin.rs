//! What a feature that comes with the service is made of, and bringing the catalogue up to date
//! with them at start. Templates that are missing are added; what SysAdmins changed in a template,
//! and what mandates changed in their copies, stays.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::store::{self, NewFeature};
use crate::access::{Permissions, Rule};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::{RequestMeta, Services, System, SystemContext};
use crate::http::app::App;
use crate::http::guard::Routes;
use crate::kernel::db::AdvisoryLock;
use crate::kernel::error::Result;
use crate::kernel::names::Name;
use crate::kernel::translations::Texts;
use crate::tenancy::roles;

/// A text in the two languages of the product.
pub type Bilingual = [(&'static str, &'static str); 2];

/// A feature as the service brings it: all that the rest of the service has to know of it.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    pub code: &'static str,
    pub label: Bilingual,
    /// What it is for, in a line of the API's documentation, where its operations stand under its
    /// English label.
    pub purpose: &'static str,
    pub icon: &'static str,
    /// Its tables; [`feature_tables!`](crate::feature_tables) makes types of them.
    pub tables: &'static [&'static str],
    pub views: &'static [&'static str],
    /// The template roles that new instances get copies of.
    pub roles: &'static [TemplateRole],
    pub routes: fn(&App) -> Routes,
}

/// A template role as a feature brings it.
#[derive(Debug, Clone, Copy)]
pub struct TemplateRole {
    pub label: &'static str,
    pub description: Bilingual,
    /// What it permits, by table.
    pub rules: &'static [(&'static str, Rule)],
    /// The views that it allows.
    pub views: &'static [&'static str],
}

impl TemplateRole {
    fn permissions(&self) -> Permissions {
        let tables = self.rules.iter().map(|(table, rule)| ((*table).to_owned(), *rule)).collect();
        Permissions {
            tables,
            views: self.views.iter().map(|view| ((*view).to_owned(), true)).collect(),
        }
    }
}

fn texts(pairs: Bilingual) -> Texts {
    pairs.into_iter().map(|(language, text)| (language.to_owned(), text.to_owned())).collect()
}

/// Brings the catalogue up to date with what the service brings. Safe on every start and on several
/// nodes at once.
pub async fn bring_up_to_date(services: &Services, features: &[BuiltIn]) -> Result<()> {
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut writing = system.write().await?;
    // Nodes that start together take turns.
    AdvisoryLock::Catalogue.take(&mut writing).await?;
    let mut changed = Vec::new();
    for feature in features {
        if bring_feature(&mut writing, system.system(), feature, system.now()).await? {
            changed.push(feature.code);
        }
    }
    if changed.is_empty() {
        return writing.commit(crate::context::Recorded::nothing_changed()).await;
    }
    let event = Event::new(Action::CatalogueUpdated, ResourceType::Feature, changed.join(","))
        .details(json!({ "features": changed }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await
}

async fn bring_feature(
    connection: &mut PgConnection,
    system: System,
    feature: &BuiltIn,
    now: DateTime<Utc>,
) -> Result<bool> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let described = NewFeature {
        code: feature.code,
        label: &texts(feature.label),
        icon: feature.icon,
        tables: &owned(feature.tables),
        views: &owned(feature.views),
        now,
    };
    let mut changed = store::bring(connection, system, &described).await?;
    let known = roles::templates(connection, system.into(), Some(feature.code)).await?;
    for role in feature.roles {
        if known.iter().any(|template| template.role.label == role.label) {
            continue;
        }
        let made = roles::insert_template(
            connection,
            system,
            Some(feature.code),
            &Name::of_stored(role.label),
            &texts(role.description),
            now,
        )
        .await?;
        roles::replace_template_permissions(connection, system, &made, &role.permissions()).await?;
        changed = true;
    }
    Ok(changed)
}
