//! A role of the instance, beside the templates that it may be a copy of.

use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Permissions;
use crate::kernel::ids::UserId;
use crate::tenancy::roles::role::{Role, Template};

/// Somebody who holds a role.
#[derive(Debug, Clone, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    pub user_id: UserId,
    #[schema(example = "bob")]
    pub username: String,
}

/// A role of the instance, with who holds it.
#[derive(Debug, Clone)]
pub struct Present {
    pub role: Role,
    pub permissions: Permissions,
    pub holders: Vec<Holder>,
}

pub(super) fn copy_of<'a>(template: &Template, present: &'a [Present]) -> Option<&'a Present> {
    present.iter().find(|role| role.role.template_role_id == Some(template.role.id))
}

/// Whether the template that a role was copied from is gone.
pub(super) fn is_orphan(role: &Present, templates: &[Template]) -> bool {
    role.role
        .template_role_id
        .is_some_and(|id| !templates.iter().any(|template| template.role.id == id))
}
