//! A role and where it belongs.

use super::instance::InstanceContext;
use super::mandate::MandateContext;
use super::system::SystemContext;
use crate::kernel::ids::RoleId;

/// A role that the path names, with the context to which it belongs.
#[derive(Debug, Clone)]
pub enum RoleContext {
    Template(SystemContext, RoleId),
    Mandate(MandateContext, RoleId),
    Instance(InstanceContext, RoleId),
}
