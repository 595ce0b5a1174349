//! What a route's path names, told by the types of its parameters and not by what they are called.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{Id, IdKind};

/// What a context can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Mandate,
    Instance,
    Role,
    User,
}

impl Origin {
    pub const ALL: [Self; 4] = [Self::Mandate, Self::Instance, Self::Role, Self::User];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mandate => "mandate",
            Self::Instance => "instance",
            Self::Role => "role",
            Self::User => "user",
        }
    }
}

/// What parameters of paths are.
pub trait PathPart {
    /// What a context can come from it.
    const ORIGIN: Option<Origin> = None;
}

impl<T: Id> PathPart for T {
    const ORIGIN: Option<Origin> = match T::KIND {
        IdKind::MandateId => Some(Origin::Mandate),
        IdKind::InstanceId => Some(Origin::Instance),
        IdKind::RoleId => Some(Origin::Role),
        IdKind::UserId => Some(Origin::User),
        _ => None,
    };
}
impl PathPart for String {}
impl PathPart for i32 {}

/// What the parameters of a route's path are called that contexts come from.
pub type Origins = BTreeMap<Origin, String>;

/// The path of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestPath<'a> {
    pub origins: &'a Origins,
    pub values: &'a HashMap<String, String>,
}

impl RequestPath<'_> {
    /// The id of this type that the path names, if it names one.
    pub fn id<T: PathPart + FromStr>(&self) -> Result<Option<T>> {
        let name = T::ORIGIN.and_then(|origin| self.origins.get(&origin));
        let Some((name, text)) = name.and_then(|name| self.values.get_key_value(name)) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            Error::new(Code::InvalidParameter, format!("`{name}` in the path must be a UUID."))
        })
    }
}
