//! What people are told by mail: asked for in the transaction that gives the reason, sent by an
//! errand. A mail server that is away loses nothing and delays nobody.
//!
//! Nobody who asks for mail without being signed in learns whom an address belongs to: what is
//! asked for is noted, and looked into when it is sent. Tokens are made as they are sent, so that
//! none is kept.

mod budget;
mod links;
mod purge;
mod queue;
mod sending;
mod texts;

use std::sync::Once;

use sqlx::PgConnection;
use uuid::Uuid;

use self::queue::{About, Wanted};
use crate::context::{Actor, Recorded, Visitor};
use crate::http::app::App;
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

pub use purge::FORGET_MAILED;
pub use sending::SEND_MAIL;
pub use texts::Kind;

/// Has somebody told something when this transaction commits: at the address that their account
/// has then, or at this one. Where no mail is set up, or they have no address, nobody is told.
pub async fn tell(
    connection: &mut PgConnection,
    app: &App,
    actor: &impl Actor,
    (user, address): (UserId, Option<&str>),
    kind: Kind,
) -> Result<()> {
    if !app.mailer().is_set_up() {
        return Ok(());
    }
    queue::ask(connection, actor, Wanted::Told(kind), About::User(user, address)).await
}

/// Has a registration's address asked to confirm it, or told that it has an account; no more than
/// three an hour for an address.
pub async fn ask_to_confirm(
    connection: &mut PgConnection,
    app: &App,
    visitor: &Visitor,
    (registration, address_key): (Uuid, &str),
) -> Result<()> {
    let wanted = Wanted::Confirmation;
    if budget::allows(connection, app.keys(), visitor, (wanted, address_key)).await? {
        queue::ask(connection, visitor, wanted, About::Registration(registration)).await?;
    }
    Ok(())
}

/// What somebody asks for who names an address only.
#[derive(Debug, Clone, Copy)]
pub enum AskedFor {
    /// The mails of registrations that wait to be confirmed.
    Confirmations,
    /// A link to choose another password.
    Reset,
}

/// Notes that somebody asked for it; no more than three an hour for an address. Whether anybody has
/// the address is not looked at.
pub async fn note_asked_for(
    app: &App,
    visitor: &Visitor,
    (asked, address_key): (AskedFor, &str),
) -> Result<()> {
    static TOLD: Once = Once::new();
    if !app.mailer().is_set_up() {
        TOLD.call_once(|| {
            tracing::warn!("somebody asked for mail, and none is set up: set BAILIWICK_SMTP_URL");
        });
        return Ok(());
    }
    let wanted = match asked {
        AskedFor::Confirmations => Wanted::Confirmations,
        AskedFor::Reset => Wanted::Reset,
    };
    let mut writing = visitor.write().await?;
    if budget::allows(&mut writing, app.keys(), visitor, (wanted, address_key)).await? {
        queue::ask(&mut writing, visitor, wanted, About::Address(address_key)).await?;
    }
    writing.commit(Recorded::nothing_changed()).await
}
