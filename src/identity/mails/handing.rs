//! Tokens as they are handed over, and where they lead to. Never to where a request says that it
//! went: links are made of settings.

use sqlx::PgConnection;

use super::tokens::{self, NewToken};
use crate::context::System;
use crate::context::mailed::Purpose;
use crate::http::app::App;
use crate::kernel::config::TOKEN;
use crate::kernel::credentials::mailed::MailedToken;
use crate::kernel::error::Result;

/// A token, and the link that takes it to where it is good.
#[derive(Debug)]
pub struct Handed {
    pub token: String,
    pub link: String,
}

/// Makes a token, and keeps its hash.
pub async fn hand(
    connection: &mut PgConnection,
    app: &App,
    system: System,
    new: NewToken<'_>,
) -> Result<Handed> {
    let token = MailedToken::by_chance()?;
    tokens::keep(connection, system, &new, &token.hash(&app.keys())).await?;
    let token = token.text();
    Ok(Handed { link: link(app, new.purpose, &token), token })
}

fn link(app: &App, purpose: Purpose, token: &str) -> String {
    let settings = app.settings();
    let (set, page) = match purpose {
        Purpose::Registration | Purpose::Address => (&settings.link_verify, "verify"),
        Purpose::Reset => (&settings.link_reset, "reset"),
        Purpose::Invitation => (&settings.link_invitation, "invitation"),
    };
    match set {
        Some(link) => link.replace(TOKEN, token),
        None => format!("{}/{page}?token={token}", app.issuer()),
    }
}
