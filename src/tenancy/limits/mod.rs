//! Rate limits beyond the settings: what SysAdmins grant or take from a mandate, and between how
//! many nodes a budget is divided. How a request is charged is told in [`crate::http::rate_limit`].

mod node_store;
mod nodes;
mod routes;
mod store;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::context::policy::{Class, PerMinute};
use crate::http::etag::Resource;
use crate::http::patch;
use crate::kernel::ids::MandateId;

pub use nodes::{BEAT_EVERY, beat, forwarding_unheeded, leave};
pub use routes::routes;

/// Requests a minute by class of routes; a class that is left out has what the settings say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schema(example = json!({ "read": 600, "write": 60, "auth": 20 }))]
pub struct ClassLimits {
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, nullable = false, example = 600)]
    read: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, nullable = false, example = 60)]
    list_mandates: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, nullable = false, example = 120)]
    member_write: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, nullable = false, example = 60)]
    write: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, nullable = false, example = 20)]
    auth: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, nullable = false, example = 60000)]
    check: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, nullable = false, example = 6000)]
    work: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1, nullable = false, example = 240)]
    default: Option<NonZeroU32>,
}

impl ClassLimits {
    fn of(&self, class: Class) -> Option<NonZeroU32> {
        match class {
            Class::Read => self.read,
            Class::ListMandates => self.list_mandates,
            Class::MemberWrite => self.member_write,
            Class::Write => self.write,
            Class::Auth => self.auth,
            Class::Check => self.check,
            Class::Work => self.work,
            Class::Default => self.default,
            // Not paid by members.
            Class::AuthAddress | Class::Public => None,
        }
    }

    /// As requests are charged by them.
    fn per_minute(&self) -> PerMinute {
        Class::ALL.into_iter().filter_map(|class| Some((class, self.of(class)?))).collect()
    }
}

/// The limits of a mandate.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MandateLimits {
    mandate_id: MandateId,
    classes: ClassLimits,
    /// The mandate's: it grows with every change of its limits too.
    version: i64,
}

impl Resource for MandateLimits {
    fn version(&self) -> i64 {
        self.version
    }
}
