//! Bodies of requests: what a playbook is to be, checked.

use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::Changes;
use crate::http::patch;
use crate::kernel::error::{Error, FieldError, Result, keep};
use crate::kernel::names::{self, Name};

/// Names stand in paths beside ids, so that none may look like one, or like a step in a path.
pub(super) fn checked_name(name: &str) -> std::result::Result<Name, FieldError> {
    let name = Name::checked("/name", name)?;
    let key = name.key();
    if key.parse::<Uuid>().is_ok() || key == "." || key == ".." {
        return Err(FieldError::new(
            "/name",
            "invalid_name",
            "must not look like a UUID, and not be `.` or `..`",
        ));
    }
    Ok(name)
}

/// A new playbook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePlaybook {
    /// Unique among the living of the instance; not looking like a UUID.
    #[schema(example = "incident response")]
    pub(super) name: String,
    #[schema(example = "What to do when the pager rings")]
    pub(super) title: String,
    #[schema(example = "Read this before your first shift.")]
    pub(super) description: Option<String>,
}

/// What to change of a playbook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlaybook {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "incident response")]
    name: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "When the pager rings")]
    title: Option<String>,
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>, example = "Read this before your first shift.")]
    description: Option<Option<String>>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = 1)]
    pub(super) version: Option<i64>,
}

impl UpdatePlaybook {
    pub(super) fn checked(&self) -> Result<Changes> {
        let mut errors = Vec::new();
        let name = self.name.as_deref().and_then(|name| keep(checked_name(name), &mut errors));
        let title = self
            .title
            .as_deref()
            .and_then(|title| keep(Name::checked("/title", title), &mut errors));
        let text = |text: &Option<String>| {
            text.as_deref().map(|text| names::checked_description("/description", text)).transpose()
        };
        let description =
            self.description.as_ref().and_then(|description| keep(text(description), &mut errors));
        if errors.is_empty() {
            Ok(Changes { name, title, description })
        } else {
            Err(Error::invalid(errors))
        }
    }
}
