//! A new role's label and description, checked.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::kernel::error::{Error, FieldError, Result, keep};
use crate::kernel::names::Name;
use crate::kernel::translations::{self, Kind, Texts};

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
