//! What each operation does, slice by slice: how calls are made up, and what the model says that they are answered.

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
