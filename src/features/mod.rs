//! The features that come with the service. Each is a folder that describes itself with a
//! `FEATURE`; `assembly.rs` lists them.

pub mod bookings;
pub mod playbooks;
