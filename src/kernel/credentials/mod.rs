//! What somebody proves who they are with: passwords, and the access tokens that a sign-in answers.

pub mod claims;
pub mod password;
mod strength;
pub mod token;
