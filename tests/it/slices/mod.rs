//! What each slice promises, one file per slice.

mod smoke;
