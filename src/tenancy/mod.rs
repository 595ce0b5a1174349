//! What a platform's customers are made of: mandates, their members, groups, roles and feature
//! instances, and what each of them may do and sees.

pub mod catalogue;
pub mod groups;
pub mod instances;
pub mod invitations;
pub mod limits;
pub mod mandates;
pub mod members;
pub mod navigation;
pub mod questions;
pub mod roles;
