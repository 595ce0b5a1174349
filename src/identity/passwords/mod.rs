//! One's password: changing it, and choosing another one by mail.

mod change_routes;
mod forgot_routes;
mod reset_routes;
mod set;
mod store;

use crate::http::app::App;
use crate::http::guard::Routes;

pub use set::{Owner, SetPassword, owner, set};

pub fn routes(app: &App) -> Routes {
    change_routes::routes(app).merge(forgot_routes::routes(app)).merge(reset_routes::routes(app))
}
