//! What a sync did, or would do, as it is answered.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::differences::PermissionChange;
use super::present::Holder;
use crate::kernel::ids::UserId;
use crate::kernel::translations::Texts;

/// What a sync did, or would do.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SyncReport {
    /// Roles made from templates that had no copy.
    #[schema(example = 0)]
    pub added: usize,
    /// Copies removed, since their template is gone.
    #[schema(example = 0)]
    pub removed: usize,
    /// Copies left as they are; a changed one that `addOnly` spared counts here and is listed as
    /// `differs`.
    #[schema(example = 0)]
    pub unchanged: usize,
    /// Changed copies that were reset to their template.
    pub updated: usize,
    /// Copies whose template is gone but which somebody holds.
    #[schema(example = 0)]
    pub kept: usize,
    pub changes: Vec<RoleChange>,
}

impl SyncReport {
    /// Everybody who holds a role that is kept.
    pub fn holders(&self) -> Vec<UserId> {
        self.changes
            .iter()
            .flat_map(|change| &change.holders)
            .map(|holder| holder.user_id)
            .collect()
    }
    /// For an answer: of the holders only those.
    pub fn name_only(&mut self, nameable: &BTreeSet<UserId>) {
        for change in &mut self.changes {
            change.holders.retain(|holder| nameable.contains(&holder.user_id));
        }
    }
}

/// What happens to one role.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleChange {
    /// The role's label as it was.
    #[schema(example = "trustee-accountant")]
    pub role: String,
    /// `added`, `updated`, `removed`, `kept`, `differs`, or `skipped: ` with the code of what is
    /// in the way.
    #[schema(example = "updated")]
    pub change: &'static str,
    /// Where the label changes, or would if no other role had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub label: Option<LabelChange>,
    /// Where the description changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<DescriptionChange>,
    pub permissions: Vec<PermissionChange>,
    /// For `kept`: who holds the role, as far as the caller may list them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([]))]
    pub holders: Vec<Holder>,
}

impl RoleChange {
    pub(super) fn of(role: &str, change: &'static str) -> Self {
        Self {
            role: role.to_owned(),
            change,
            label: None,
            description: None,
            permissions: Vec::new(),
            holders: Vec::new(),
        }
    }
}

/// A label before and after.
#[derive(Debug, Serialize, ToSchema, PartialEq)]
pub struct LabelChange {
    #[schema(example = "clerk")]
    pub from: String,
    #[schema(example = "accountant")]
    pub to: String,
}

/// A description before and after, by language.
#[derive(Debug, Serialize, ToSchema, PartialEq)]
pub struct DescriptionChange {
    #[schema(value_type = BTreeMap<String, String>, example = json!({}))]
    pub from: Texts,
    #[schema(value_type = BTreeMap<String, String>, example = json!({"en": "Keeps the books"}))]
    pub to: Texts,
}
