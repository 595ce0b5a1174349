//! Accounts that people make for themselves, where that is open. A registration is no account until
//! its address is confirmed, with the token that was mailed there and the password that was
//! registered: who registers somebody else's address waits in vain for their click.

mod confirm_routes;
mod routes;
mod store;

use crate::http::app::App;
use crate::http::guard::Routes;
use crate::kernel::error::{Code, Error, Result};

pub use store::is_taken;

pub fn routes(app: &App) -> Routes {
    routes::routes(app).merge(confirm_routes::routes(app))
}

fn require_open(app: &App) -> Result<()> {
    if app.settings().is_registration_open() {
        return Ok(());
    }
    let detail = "Accounts are made by those who run this service; nobody registers by themselves.";
    Err(Error::new(Code::RegistrationClosed, detail))
}
