//! What people are told by mail: asked for in the transaction that gives the reason, sent by an
//! errand. A mail server that is away loses nothing and delays nobody.

mod queue;
mod sending;
mod texts;

use sqlx::PgConnection;

use crate::context::Actor;
use crate::http::app::App;
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

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
    queue::ask(connection, actor, (user, address), kind).await
}
