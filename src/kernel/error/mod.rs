//! What can go wrong, as clients see it. An [`Error`] carries an outside text and an inside cause
//! in different fields; only the first can reach a body (`http::problem` renders it), the second
//! only the log.

mod code;
mod database;
mod failure;
mod field;

pub use code::Code;
pub use database::OnConstraint;
pub(crate) use database::is_lost;
pub use failure::{Error, Result};
pub use field::{FieldError, Reason, keep, pointer_to};
