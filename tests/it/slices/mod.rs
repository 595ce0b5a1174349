//! What each slice promises, one file per slice.

mod delegates;
mod kit;
mod smoke;
