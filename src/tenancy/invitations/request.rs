//! Bodies of requests: whom to invite, checked.

use std::collections::BTreeSet;

use chrono::Duration;
use serde::Deserialize;
use utoipa::ToSchema;

use super::InvitedInstance;
use super::promise::{InInstance, Promise, roles_of};
use crate::identity::users::checked_email;
use crate::kernel::error::{Error, FieldError, Result, keep};
use crate::kernel::ids::RoleId;
use crate::tenancy::roles::NamedRoles;

/// How long an invitation is good, in hours.
const TTL_HOURS: u16 = 72;
const LONGEST_TTL_HOURS: u16 = 168;
/// The most instances that one invitation admits to.
const MAX_INSTANCES: usize = 50;

/// Whom to invite, and what they are to get.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "email": "erin@acme.example", "roleIds": ["01900000-0000-7000-8000-0000164531fc"],
}))]
pub struct InviteMember {
    #[schema(example = "erin@acme.example")]
    email: String,
    /// At least one role of the mandate.
    #[schema(min_items = 1)]
    role_ids: Vec<RoleId>,
    /// For how many hours it is good, 1 to 168; 72 when left out.
    #[schema(minimum = 1, maximum = 168, example = 72)]
    ttl_hours: Option<u16>,
    /// To which instances they are admitted, too; at most 50.
    instances: Option<Vec<InvitedInstance>>,
}

/// For how long it is to be good from now on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ResendInvitation {
    /// In hours, 1 to 168; 72 when left out.
    #[schema(minimum = 1, maximum = 168, example = 72)]
    ttl_hours: Option<u16>,
}

/// A body whose every field is in order.
#[derive(Debug)]
pub(super) struct Wanted {
    pub email: String,
    pub email_key: String,
    pub promise: Promise,
    pub ttl: Duration,
}

impl InviteMember {
    pub(super) fn checked(self) -> Result<Wanted> {
        let mut errors = Vec::new();
        let email = keep(checked_email(&self.email), &mut errors);
        let roles = keep(NamedRoles::checked_at("/roleIds", self.role_ids), &mut errors);
        let ttl = keep(checked_ttl(self.ttl_hours), &mut errors);
        let instances = checked_instances(self.instances.unwrap_or_default(), &mut errors);
        match (email, roles, ttl) {
            (Some((email, email_key)), Some(roles), Some(ttl)) if errors.is_empty() => {
                Ok(Wanted { email, email_key, promise: Promise { roles, instances }, ttl })
            }
            _ => Err(Error::invalid(errors)),
        }
    }
}

impl ResendInvitation {
    pub(super) fn checked(&self) -> Result<Duration> {
        Ok(checked_ttl(self.ttl_hours)?)
    }
}

pub(super) fn checked_ttl(hours: Option<u16>) -> Result<Duration, FieldError> {
    let hours = hours.unwrap_or(TTL_HOURS);
    if (1..=LONGEST_TTL_HOURS).contains(&hours) {
        return Ok(Duration::hours(hours.into()));
    }
    let detail = format!("must be from 1 to {LONGEST_TTL_HOURS}");
    Err(FieldError::new("/ttlHours", "out_of_range", detail))
}

fn checked_instances(named: Vec<InvitedInstance>, errors: &mut Vec<FieldError>) -> Vec<InInstance> {
    if named.len() > MAX_INSTANCES {
        let detail = format!("must name at most {MAX_INSTANCES} instances");
        errors.push(FieldError::new("/instances", "too_many", detail));
        return Vec::new();
    }
    let (mut seen, mut checked) = (BTreeSet::new(), Vec::new());
    for (index, InvitedInstance { instance_id, role_ids }) in named.into_iter().enumerate() {
        if !seen.insert(instance_id) {
            let (pointer, detail) = (format!("/instances/{index}/instanceId"), "is named twice");
            errors.push(FieldError::new(pointer, "duplicate", detail));
        }
        let roles = keep(NamedRoles::checked_at(&roles_of(index), role_ids), errors);
        checked.extend(roles.map(|roles| (instance_id, roles)));
    }
    checked
}
