//! Where mails lead to. Never to where a request says that it went: links are made of settings.

use crate::context::mailed::Purpose;
use crate::http::app::App;
use crate::kernel::config::TOKEN;

/// The link that takes a token to where it is good.
pub(super) fn link(app: &App, purpose: Purpose, token: &str) -> String {
    let settings = app.settings();
    let (set, page) = match purpose {
        Purpose::Registration => (&settings.link_verify, "verify"),
        Purpose::Reset => (&settings.link_reset, "reset"),
    };
    match set {
        Some(link) => link.replace(TOKEN, token),
        None => format!("{}/{page}?token={token}", app.tokens().issuer()),
    }
}
