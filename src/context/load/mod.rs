//! What contexts are loaded from. Each function is one statement, so that what is read together is
//! of one moment; data and the epochs that they are cached under in particular (data first and
//! epochs second would be stale for good).

mod among;
mod changes;
mod epochs;
mod homes;
mod instance;
mod mandate;
mod members;
mod open;
mod roles;

pub(super) use among::{admitted_among, peers_among};
pub(super) use changes::{Changes, Server, Snapshot, changes_since, server};
pub use epochs::Epochs;
pub(super) use epochs::{Alive, Fresh, LiveSession, Mandates, Question, alive};
pub(super) use homes::{RoleHome, is_of_a_feature, mandate_exists, mandate_of_instance, role_home};
pub(super) use instance::{FoundInstance, instance};
pub(super) use mandate::{is_suspended, is_sys_admin, mandate_access};
pub(super) use members::members;
pub use members::{FoundMember, NamedMembers};
pub use open::OpenInstance;
pub(super) use open::{admitted_instances, open_instances};
pub(super) use roles::roles;
