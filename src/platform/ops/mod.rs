//! For operators and their tools: is the service alive, may it get traffic, what does it offer,
//! what does a problem mean.
//!
//! Kept apart from the product's slices because nothing here belongs to a mandate. Health checks
//! are the one thing outside `context` that asks the database (in [`schema`]): they have to tell
//! what is wrong when no context can be had.

mod problem_page;
mod routes;
mod schema;

use crate::path_params;

pub use routes::{docs_page, routes};

path_params! {
    /// To what a code means.
    ProblemPath {
        /// The problem's `code`
        #[param(example = "not_found")]
        code: String,
    }
}
