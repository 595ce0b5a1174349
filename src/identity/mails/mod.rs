//! What people are told by mail: asked for in the transaction that gives the reason, sent by an
//! errand. A mail server that is away loses nothing and delays nobody.
//!
//! Nobody who asks for mail without being signed in learns whom an address belongs to: what is
//! asked for is noted, and looked into when it is sent. Tokens are made as they are sent, so that
//! none is kept.

mod budget;
mod handing;
mod purge;
mod queue;
mod readers;
mod sending;
mod texts;
mod tokens;

use std::sync::Once;

use sqlx::PgConnection;
use uuid::Uuid;

use self::queue::{About, Wanted};
use crate::access::tables::{Create, Members};
use crate::context::{Account, Actor, Grant, Recorded, Visitor};
use crate::http::app::App;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InvitationId, UserId};

pub use handing::{Handed, hand};
pub use purge::FORGET_MAILED;
pub use sending::SEND_MAIL;
pub use texts::Kind;
pub use tokens::NewToken;

/// How long it is worth waiting for somebody to set up mail.
const WITHOUT_MAIL_SECONDS: u64 = 3_600;

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
    if budget::allows(connection, &app.keys(), visitor, (wanted, address_key)).await? {
        queue::ask(connection, visitor, wanted, About::Registration(registration)).await?;
    }
    Ok(())
}

/// Has the address that somebody wants for their account asked to confirm it, or told that another
/// account has it; no more than three an hour for an address. Whether it is to be sent.
pub async fn ask_to_confirm_address(
    connection: &mut PgConnection,
    app: &App,
    actor: &impl Actor,
    user: UserId,
    (email, address_key): (&str, &str),
) -> Result<bool> {
    let wanted = Wanted::NewAddress;
    let is_sent = app.mailer().is_set_up()
        && budget::allows(connection, &app.keys(), actor, (wanted, address_key)).await?;
    if is_sent {
        queue::ask(connection, actor, wanted, About::User(user, Some(email))).await?;
    }
    Ok(is_sent)
}

/// Has the present address of somebody's account told that it is to get another one; no more than
/// three an hour.
pub async fn tell_of_wanted_address(
    connection: &mut PgConnection,
    app: &App,
    actor: &impl Actor,
    user: UserId,
    (present, present_key): (&str, &str),
) -> Result<()> {
    let wanted = Wanted::Told(Kind::AddressWanted);
    if budget::allows(connection, &app.keys(), actor, (wanted, present_key)).await? {
        queue::ask(connection, actor, wanted, About::User(user, Some(present))).await?;
    }
    Ok(())
}

/// Has somebody mailed a token for another password, that a SysAdmin asks for.
pub async fn send_reset(
    connection: &mut PgConnection,
    actor: &impl Actor,
    user: UserId,
) -> Result<()> {
    queue::ask(connection, actor, Wanted::ResetOfUser, About::User(user, None)).await
}

/// 503 where no mail is set up.
pub fn require_set_up(app: &App) -> Result<()> {
    if app.mailer().is_set_up() {
        return Ok(());
    }
    let refusal = Error::new(Code::MailNotConfigured, "This asks by mail, and none is set up.");
    Err(refusal.retry_after(WITHOUT_MAIL_SECONDS))
}

/// Has the address of an invitation asked to accept it. 429 where a mandate has it asked more often
/// than ten times an hour, in whatever invitations.
pub async fn invite(
    connection: &mut PgConnection,
    app: &App,
    actor: &impl Actor,
    grant: &Grant<Members, Create>,
    (invitation, address_key): (InvitationId, &str),
) -> Result<()> {
    let (wanted, about) = (Wanted::Invitation, About::Invitation(invitation));
    let asked_by = format!("{} {address_key}", grant.mandate());
    if !budget::allows(connection, &app.keys(), actor, (wanted, &asked_by)).await? {
        let detail = "This address has been written to ten times within the last hour.";
        return Err(Error::new(Code::TooManyRequests, detail).retry_after(budget::WAIT_SECONDS));
    }
    queue::ask(connection, actor, wanted, about).await
}

/// Has somebody told something wherever they can be reached: at the address that they have, and at
/// those that they had.
pub async fn tell_everywhere(
    connection: &mut PgConnection,
    app: &App,
    actor: &impl Actor,
    account: Account,
    kind: Kind,
) -> Result<()> {
    if !app.mailer().is_set_up() {
        return Ok(());
    }
    for address in readers::addresses(connection, account).await? {
        let about = About::User(account.user(), Some(&address));
        queue::ask(connection, actor, Wanted::Told(kind), about).await?;
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
    if budget::allows(&mut writing, &app.keys(), visitor, (wanted, address_key)).await? {
        queue::ask(&mut writing, visitor, wanted, About::Address(address_key)).await?;
    }
    writing.commit(Recorded::nothing_changed()).await
}
