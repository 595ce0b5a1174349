//! What each operation does, slice by slice: how calls are made up, and what the model says that
//! they are answered. A slice is a file and its lines here.

pub mod admissions;
pub mod audit;
pub mod authzen;
pub mod bookings;
pub mod features;
pub mod groups;
pub mod instances;
pub mod limits;
pub mod mandates;
pub mod member_roles;
pub mod members;
pub mod navigation;
pub mod permissions;
pub mod playbooks;
pub mod questions;
pub mod role_lists;
pub mod roles;
pub mod sign_in;
pub mod sync;
pub mod templates;
pub mod users;
pub mod versions;

use super::operations::Operation;

/// The operations of every slice.
pub const ALL: [&[Operation]; 22] = [
    sign_in::OPERATIONS,
    mandates::OPERATIONS,
    limits::OPERATIONS,
    members::OPERATIONS,
    member_roles::OPERATIONS,
    groups::OPERATIONS,
    role_lists::OPERATIONS,
    roles::OPERATIONS,
    permissions::OPERATIONS,
    templates::OPERATIONS,
    features::OPERATIONS,
    instances::OPERATIONS,
    sync::OPERATIONS,
    admissions::OPERATIONS,
    navigation::OPERATIONS,
    playbooks::OPERATIONS,
    versions::OPERATIONS,
    bookings::OPERATIONS,
    users::OPERATIONS,
    questions::OPERATIONS,
    authzen::OPERATIONS,
    audit::OPERATIONS,
];
