//! Roles: named sets of permissions, in four scopes that never mix. Mandate and instance roles are
//! held; templates are copied.
//!
//! - [`store`]: rows and permissions.
//! - [`copies`]: copying templates onto new mandates and instances.
//! - [`sync`]: bringing an instance's copies back in line with their templates.

mod copies;
mod list_routes;
mod named;
mod open;
mod permission_routes;
mod readable;
mod routes;
mod store;
mod sync;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::access::Permissions;
use crate::http::app::App;
use crate::http::etag::Resource;
use crate::kernel::error::{Code, Error, FieldError, Result, keep};
use crate::kernel::ids::{InstanceId, MandateId, RoleId};
use crate::kernel::names::Name;
use crate::kernel::translations::{self, Kind, Texts};
use crate::path_params;

pub use copies::{
    Copy, Template, copy as copy_templates, insert as insert_template, list as list_templates,
    rename as rename_copy, repermit as repermit_copy,
    replace_permissions as replace_template_permissions, templates,
};
pub use named::NamedRoles;
pub use readable::Readable;
pub use store::{NamedRole, named as find_named};
pub(crate) use store::{role_of, roles};
pub use sync::{Holder, Plan, Present, Reset, SyncReport, plan};

path_params! {
    /// To a role.
    RolePath {
        /// The role
        #[param(inline)]
        role_id: RoleId,
    }
}

/// The routes under `/api/roles`, and the roles of mandates and instances.
pub fn routes(app: &App) -> OpenApiRouter<App> {
    routes::routes(app).merge(list_routes::routes(app)).merge(permission_routes::routes(app))
}

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
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub id: RoleId,
    #[schema(example = "accountant")]
    pub label: String,
    #[schema(value_type = BTreeMap<String, String>, example = json!({"en": "Keeps the books"}))]
    pub description: Texts,
    pub scope: Scope,
    pub mandate_id: Option<MandateId>,
    #[schema(example = json!(null))]
    pub feature_code: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>, example = json!(null))]
    pub instance_id: Option<InstanceId>,
    /// The template that the role was copied from.
    pub template_role_id: Option<RoleId>,
    /// The role `admin`: not edited, renamed or deleted.
    pub protected: bool,
    pub version: i64,
}

/// A role with what it permits.
#[derive(Debug, Clone)]
pub struct FullRole {
    pub role: Role,
    pub permissions: Permissions,
}

impl Resource for Role {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A new role. It permits nothing until permissions are put.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRole {
    #[schema(example = "accountant")]
    pub label: String,
    /// By language.
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({
        "en": "Keeps the books",
    }))]
    pub description: Option<Texts>,
}

impl CreateRole {
    /// The label and the description, in order.
    pub fn checked(&self) -> Result<(Name, Texts)> {
        let mut errors = Vec::new();
        let label = keep(checked_label("/label", &self.label), &mut errors);
        let description = keep(
            translations::checked(
                "/description",
                self.description.clone().unwrap_or_default(),
                Kind::Descriptions,
            ),
            &mut errors,
        );
        match (label, description) {
            (Some(label), Some(description)) if errors.is_empty() => Ok((label, description)),
            _ => Err(Error::invalid(errors)),
        }
    }
}

/// The label that no role has but those that come with the service, and which makes its holders
/// admins.
const PROTECTED_LABEL: &str = "admin";

/// The label of a role. Nobody is to take it for the protected one, which it is not.
pub fn checked_label(pointer: &str, label: &str) -> std::result::Result<Name, FieldError> {
    let label = Name::checked(pointer, label)?;
    if label.is_mistaken_for(PROTECTED_LABEL) {
        let detail =
            format!("looks like `{PROTECTED_LABEL}`, which it is not: choose another label");
        return Err(FieldError::new(pointer, "confusable", detail));
    }
    Ok(label)
}

pub(crate) fn label_taken() -> Error {
    Error::new(Code::LabelTaken, "Another role here has this label.")
}

/// Permissions as the audit trail keeps them: letters, and no more than there are.
pub(crate) fn described(permissions: &Permissions) -> Value {
    json!(permissions)
}
