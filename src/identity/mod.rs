//! Who somebody is: accounts, signing in, sessions.

pub mod auth;
pub mod impersonation;
pub mod lockout;
pub mod mails;
pub mod passwords;
pub mod registration;
pub mod service_keys;
pub mod sessions;
pub mod step_up;
pub mod users;
