//! Bodies of requests: what an account is to be, checked.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use validator::ValidateEmail;

use super::store::{Changes, NewUser};
use crate::http::patch;
use crate::kernel::credentials::password::Passwords;
use crate::kernel::error::{Error, FieldError, Result, keep};
use crate::kernel::ids::UserId;
use crate::kernel::{mail, names};

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateUser {
    #[schema(example = "erin")]
    username: String,
    /// 15 to 128 characters unless the service was told otherwise, not easily guessed.
    #[schema(format = Password, example = "harbour-Lantern-27-moss")]
    password: String,
    #[schema(example = "erin@acme.example")]
    email: Option<String>,
    #[schema(example = "Erin")]
    first_name: Option<String>,
    #[schema(example = "Ebner")]
    last_name: Option<String>,
    #[schema(example = "en")]
    language: Option<String>,
    pub(super) is_sys_admin: Option<bool>,
    /// Whether its owner has to choose another password before anything else; `true` where it is
    /// left out. `false` is for accounts whose password nobody else knows.
    #[schema(default = true)]
    pub(super) must_change_password: Option<bool>,
}

/// A body whose every field is in order.
pub(super) struct CheckedUser {
    pub username: String,
    pub email: Option<(String, String)>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub language: String,
}

impl CheckedUser {
    /// The account, without a password, and without more than any other has.
    pub fn account(&self, now: DateTime<Utc>) -> NewUser<'_> {
        NewUser {
            id: UserId::new(),
            username: &self.username,
            email: self.email.as_ref().map(|(email, _)| email.as_str()),
            email_key: self.email.as_ref().map(|(_, key)| key.as_str()),
            email_verified: false,
            first_name: self.first_name.as_deref(),
            last_name: self.last_name.as_deref(),
            language: &self.language,
            password_hash: None,
            is_sys_admin: false,
            must_change_password: false,
            now,
        }
    }
}

/// What is said of somebody who is to have an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Described<'a> {
    pub username: &'a str,
    pub email: Option<&'a str>,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub language: Option<&'a str>,
}

impl Described<'_> {
    /// `None` where something is wrong.
    pub fn checked(self, errors: &mut Vec<FieldError>) -> Option<CheckedUser> {
        let username = keep(names::checked_username("/username", self.username), errors);
        let email = self.email.and_then(|email| keep(checked_email(email), errors));
        let first_name =
            self.first_name.and_then(|name| keep(names::checked("/firstName", name), errors));
        let last_name =
            self.last_name.and_then(|name| keep(names::checked("/lastName", name), errors));
        let language =
            keep(names::checked_language("/language", self.language.unwrap_or("en")), errors);
        let (username, language) = (username?, language?);
        errors.is_empty().then_some(CheckedUser {
            username,
            email,
            first_name,
            last_name,
            language,
        })
    }
}

impl CreateUser {
    /// Everything but the password, which takes a worker.
    fn described(&self) -> Described<'_> {
        Described {
            username: &self.username,
            email: self.email.as_deref(),
            first_name: self.first_name.as_deref(),
            last_name: self.last_name.as_deref(),
            language: self.language.as_deref(),
        }
    }

    /// With the hash of the password.
    pub(super) async fn judged(&self, passwords: &Passwords) -> Result<(CheckedUser, String)> {
        let mut errors = Vec::new();
        let own = [
            Some(self.username.as_str()),
            self.email.as_deref(),
            self.first_name.as_deref(),
            self.last_name.as_deref(),
        ];
        let own: Vec<&str> = own.into_iter().flatten().collect();
        let Some(checked) = self.described().checked(&mut errors) else {
            // All that is wrong is told at once, but nothing is hashed in vain.
            errors.extend(passwords.fault("/password", self.password.clone(), &own).await?);
            return Err(Error::invalid(errors));
        };
        let hash = passwords.new_hash("/password", self.password.clone(), &own).await?;
        Ok((checked, hash.map_err(|fault| Error::invalid(vec![fault]))?))
    }
}

/// The longest address, in bytes (RFC 5321, 4.5.3.1, with RFC 3696's erratum 1690).
const MAX_EMAIL: usize = 254;

/// An address, and what it is compared by.
pub fn checked_email(email: &str) -> std::result::Result<(String, String), FieldError> {
    let trimmed = email.trim();
    let is_one = || trimmed.validate_email() && mail::can_be_written_to(trimmed);
    let key = names::address_key(trimmed).filter(|_| trimmed.len() <= MAX_EMAIL && is_one());
    key.map(|key| (trimmed.to_owned(), key))
        .ok_or_else(|| FieldError::new("/email", "invalid_email", "must be an e-mail address"))
}

/// What to change of an account. Owners change their names and language; the rest is for SysAdmins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateUser {
    /// Unverified until its owner confirms it.
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>, example = "bob@acme.example")]
    email: Option<Option<String>>,
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>, example = "Bob")]
    first_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "patch::nullable")]
    #[schema(value_type = Option<String>, example = "Brunner")]
    last_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = "en")]
    language: Option<String>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false, example = true)]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    is_sys_admin: Option<bool>,
    /// The version that is to be changed; 409 when it is another by now.
    #[serde(default, deserialize_with = "patch::present")]
    #[schema(nullable = false)]
    pub(super) version: Option<i64>,
}

impl UpdateUser {
    pub(super) fn checked(&self) -> Result<Changes> {
        let mut errors = Vec::new();
        let mut name = |pointer: &str, value: &Option<Option<String>>| {
            value.as_ref().map(|name| {
                name.as_deref().and_then(|name| keep(names::checked(pointer, name), &mut errors))
            })
        };
        let (first_name, last_name) =
            (name("/firstName", &self.first_name), name("/lastName", &self.last_name));
        let email = self.email.as_ref().map(|email| {
            email.as_deref().and_then(|email| keep(checked_email(email), &mut errors))
        });
        let language = self
            .language
            .as_deref()
            .and_then(|tag| keep(names::checked_language("/language", tag), &mut errors));
        if !errors.is_empty() {
            return Err(Error::invalid(errors));
        }
        Ok(Changes {
            email,
            first_name,
            last_name,
            language,
            enabled: self.enabled,
            is_sys_admin: self.is_sys_admin,
        })
    }
}
