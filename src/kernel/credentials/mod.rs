//! What somebody proves who they are with: passwords, and the tokens that a sign-in answers.

mod breaches;
pub mod claims;
mod hashing;
pub mod mailed;
pub mod password;
pub mod refresh;
pub mod ring;
pub mod signing;
mod strength;
pub mod token;
