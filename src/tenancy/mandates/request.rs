//! Bodies of requests: what a mandate is to be, checked.

use serde::Deserialize;
use utoipa::ToSchema;

use super::store::Changes;
use crate::http::patch;
use crate::kernel::error::{Error, Result, keep};
use crate::kernel::ids::UserId;
use crate::kernel::names::{self, Name};

/// A new mandate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateMandate {
    #[schema(example = "Initech")]
    name: String,
    /// A unique slug; made from the name when left out.
    #[schema(example = "initech")]
    code: Option<String>,
    #[schema(example = "en")]
    language: Option<String>,
    /// The first admin. Until one is named, only SysAdmins manage the mandate.
    admin_user_id: Option<UserId>,
}

pub(super) struct CheckedMandate {
    pub name: Name,
    pub code: Option<String>,
    pub language: String,
    pub admin: Option<UserId>,
}

impl CreateMandate {
    pub(super) fn checked(&self) -> Result<CheckedMandate> {
        let mut errors = Vec::new();
        let name = keep(Name::checked("/name", &self.name), &mut errors);
        let code = self
            .code
            .as_deref()
            .and_then(|code| keep(names::checked_code("/code", code), &mut errors));
        let language = keep(
            names::checked_language("/language", self.language.as_deref().unwrap_or("en")),
            &mut errors,
        );
        match (name, language) {
            (Some(name), Some(language)) if errors.is_empty() => {
                Ok(CheckedMandate { name, code, language, admin: self.admin_user_id })
            }
            _ => Err(Error::invalid(errors)),
        }
    }
}

/// What to change of a mandate. Code and `enabled` are for SysAdmins, `allowImpersonation` is for
/// its admins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateMandate {
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "Acme Holding")]
    name: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "acme-holding")]
    code: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "en")]
    language: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = true)]
    enabled: Option<bool>,
    /// Whether SysAdmins may act as members of the mandate (`POST /api/auth/impersonate`).
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = true)]
    allow_impersonation: Option<bool>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    pub(super) version: Option<i64>,
}

impl UpdateMandate {
    pub(super) fn checked(&self) -> Result<Changes> {
        let mut errors = Vec::new();
        let name =
            self.name.as_deref().and_then(|name| keep(Name::checked("/name", name), &mut errors));
        let code = self
            .code
            .as_deref()
            .and_then(|code| keep(names::checked_code("/code", code), &mut errors));
        let language = self
            .language
            .as_deref()
            .and_then(|tag| keep(names::checked_language("/language", tag), &mut errors));
        if errors.is_empty() {
            let Self { enabled, allow_impersonation, .. } = *self;
            Ok(Changes { name, code, language, enabled, allow_impersonation })
        } else {
            Err(Error::invalid(errors))
        }
    }
}
