//! What a role is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;
use utoipa::ToSchema;
use utoipa::openapi::Schema;

use crate::access::Permissions;
use crate::http::etag::Resource;
use crate::kernel::error::{Code, Error};
use crate::kernel::ids::{InstanceId, MandateId, RoleId, or_null_like};
use crate::kernel::translations::Texts;

/// Where a role belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "kebab-case")]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
#[schema(example = "mandate")]
pub enum Scope {
    MandateTemplate,
    FeatureTemplate,
    Mandate,
    Instance,
}

impl Scope {
    /// As the database stores it.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::MandateTemplate => "mandate-template",
            Scope::FeatureTemplate => "feature-template",
            Scope::Mandate => "mandate",
            Scope::Instance => "instance",
        }
    }
}

/// A role.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub id: RoleId,
    #[schema(example = "accountant")]
    pub label: String,
    #[schema(value_type = BTreeMap<String, String>, example = json!({"en": "Keeps the books"}))]
    #[sqlx(json)]
    pub description: Texts,
    pub scope: Scope,
    pub mandate_id: Option<MandateId>,
    #[schema(example = json!(null))]
    pub feature_code: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>, example = json!(null))]
    pub instance_id: Option<InstanceId>,
    /// The template that the role was copied from.
    #[schema(schema_with = template)]
    pub template_role_id: Option<RoleId>,
    /// The role `admin`: not edited, renamed or deleted.
    pub protected: bool,
    pub version: i64,
}

/// Another than the role itself.
fn template() -> Schema {
    let meaning = "The template that the role was copied from.";
    or_null_like::<RoleId>("01900000-0000-7000-8000-0000e92b3702", meaning)
}

/// A role with what it permits.
#[derive(Debug, Clone)]
pub struct FullRole {
    pub role: Role,
    pub permissions: Permissions,
}

/// A template with what it permits.
pub type Template = FullRole;

impl Template {
    /// For the trail: what it takes to make it again.
    pub fn told(&self) -> Value {
        json!({
            "label": self.role.label, "description": self.role.description,
            "permissions": described(&self.permissions),
        })
    }
}

impl Resource for Role {
    fn version(&self) -> i64 {
        self.version
    }
}

pub(crate) fn label_taken() -> Error {
    Error::new(Code::LabelTaken, "Another role here has this label.")
}

/// Permissions as the audit trail keeps them: letters, and no more than there are.
pub(crate) fn described(permissions: &Permissions) -> Value {
    json!(permissions)
}
