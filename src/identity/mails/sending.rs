//! The errand that sends a mail.

use chrono::Duration;
use uuid::Uuid;

use super::budget;
use super::handing::hand;
use super::queue::{self, About, Mail, Wanted};
use super::readers;
use super::texts::{self, Asking, With};
use super::tokens::NewToken;
use crate::context::Recorded;
use crate::context::jobs::{Conversation, Errand, Task, Worked};
use crate::context::mailed::Purpose;
use crate::http::app::App;
use crate::kernel::error::{Error, Result};
use crate::kernel::mail::{Delivery, Letter, Mailer};

/// What could not be sent for so long is of no use any more.
const OF_USE: Duration = Duration::days(3);
/// Whoever forgot a password waits for it.
const RESET_OF_USE: Duration = Duration::hours(1);
/// As long as one is good at most; whether it still is, its row says.
const INVITATION_OF_USE: Duration = Duration::days(7);
/// How long a token for another password is good, and the first one of who was never signed in.
const RESET_GOOD_FOR: Duration = Duration::minutes(30);
const ONBOARDING_GOOD_FOR: Duration = Duration::days(7);

/// Sends the mail that is its subject.
pub const SEND_MAIL: Errand<App> = Errand {
    name: queue::ERRAND,
    prepare: |app, task| Box::pin(prepare(app, task)),
    conclude: |task| Box::pin(conclude(task)),
};

async fn prepare(app: &App, task: &mut Task) -> Result<Option<Conversation>> {
    let (system, id, now) = (task.context.system(), mail_of(task)?, task.context.now());
    let Some(mail) = queue::find(task, system, id).await? else { return Ok(None) };
    let Some(wanted) = mail.wanted() else {
        // A newer version asked for it, and its nodes know what to say.
        return Err(Error::internal(format!("mails of the kind `{}` are not known", mail.kind)));
    };
    let of_use = match wanted {
        Wanted::Reset => RESET_OF_USE,
        Wanted::Invitation => INVITATION_OF_USE,
        _ => OF_USE,
    };
    if now - mail.created_at > of_use {
        tracing::warn!(mail = %id, kind = mail.kind, "a mail is given up: it is too old");
        return Ok(None);
    }
    let letter = match wanted {
        Wanted::Told(kind) => told(task, &mail, kind).await?,
        Wanted::Confirmation => confirmation(app, task, &mail).await?,
        Wanted::Confirmations => {
            ask_to_confirm_each(app, task, &mail).await?;
            None
        }
        Wanted::NewAddress => new_address(app, task, &mail).await?,
        Wanted::Reset | Wanted::ResetOfUser => reset(app, task, &mail).await?,
        Wanted::Invitation => invitation(app, task, &mail).await?,
    };
    Ok(letter.map(|letter| -> Conversation {
        Box::pin(send(app.mailer().clone(), (id, mail.kind), letter))
    }))
}

async fn told(task: &mut Task, mail: &Mail, kind: texts::Kind) -> Result<Option<Letter>> {
    let system = task.context.system();
    let Some(user) = mail.user else { return Ok(None) };
    let reader = readers::reader(task, system, (user, mail.address.as_deref())).await?;
    reader.map(|reader| texts::letter(kind, mail.id, &reader, With::nothing())).transpose()
}

async fn confirmation(app: &App, task: &mut Task, mail: &Mail) -> Result<Option<Letter>> {
    let (system, now) = (task.context.system(), task.context.now());
    let Some(id) = mail.registration else { return Ok(None) };
    let Some(registered) = readers::registered(task, system, (id, now)).await? else {
        return Ok(None);
    };
    let reader = &registered.reader;
    if registered.is_known {
        return texts::letter(Asking::AddressKnown, mail.id, reader, With::nothing()).map(Some);
    }
    let expires_at = registered.expires_at;
    let new = NewToken {
        purpose: Purpose::Registration,
        subject: id,
        about: None,
        valid_from: now,
        expires_at,
    };
    let handed = hand(task, app, system, new).await?;
    texts::letter(Asking::ConfirmAddress, another_id(), reader, With::handed(&handed)).map(Some)
}

async fn new_address(app: &App, task: &mut Task, mail: &Mail) -> Result<Option<Letter>> {
    let (system, now) = (task.context.system(), task.context.now());
    let Some((user, email)) = mail.user.zip(mail.address.as_deref()) else { return Ok(None) };
    let moving = readers::moving(task, system, (user, email), now).await?;
    let Some(moving) = moving else { return Ok(None) };
    if moving.is_taken {
        let kind = Asking::AddressInUse;
        return texts::letter(kind, mail.id, &moving.reader, With::nothing()).map(Some);
    }
    let (subject, expires_at) = (user.uuid(), moving.expires_at);
    let about = Some(moving.address_key.as_str());
    let new = NewToken { purpose: Purpose::Address, subject, about, valid_from: now, expires_at };
    let handed = hand(task, app, system, new).await?;
    let with = With::handed(&handed);
    texts::letter(Asking::ConfirmNewAddress, another_id(), &moving.reader, with).map(Some)
}

/// Each is a mail of its own: one that was sent is not sent again because another was not. They are
/// of the same budget as the first ones.
async fn ask_to_confirm_each(app: &App, task: &mut Task, mail: &Mail) -> Result<()> {
    let (context, system) = (task.context.clone(), task.context.system());
    let Some(address_key) = &mail.address else { return Ok(()) };
    let wanted = Wanted::Confirmation;
    let waiting = readers::registrations_of(task, system, (address_key, context.now())).await?;
    for registration in waiting {
        if budget::allows(task, &app.keys(), &context, (wanted, address_key)).await? {
            queue::ask(task, &context, wanted, About::Registration(registration)).await?;
        }
    }
    Ok(())
}

/// To the address that the account has, never to what was typed.
async fn reset(app: &App, task: &mut Task, mail: &Mail) -> Result<Option<Letter>> {
    let (system, now) = (task.context.system(), task.context.now());
    let whom = (mail.address.as_deref(), mail.user);
    let Some(whom) = readers::who_may_reset(task, system, whom).await? else { return Ok(None) };
    // Who was never there is welcomed, and may take their time.
    let (kind, good_for) = if mail.user.is_some() && whom.was_never_used {
        (Asking::ChoosePassword, ONBOARDING_GOOD_FOR)
    } else {
        (Asking::ResetPassword, RESET_GOOD_FOR)
    };
    let (subject, expires_at) = (whom.user.uuid(), now + good_for);
    let new =
        NewToken { purpose: Purpose::Reset, subject, about: None, valid_from: now, expires_at };
    let handed = hand(task, app, system, new).await?;
    texts::letter(kind, another_id(), &whom.reader, With::handed(&handed)).map(Some)
}

/// Whether the address is a member's is told there, and to nobody else.
async fn invitation(app: &App, task: &mut Task, mail: &Mail) -> Result<Option<Letter>> {
    let (system, now) = (task.context.system(), task.context.now());
    let Some(id) = mail.invitation else { return Ok(None) };
    let Some(invited) = readers::invited(task, system, (id, now)).await? else { return Ok(None) };
    let (reader, expires_at) = (&invited.reader, invited.expires_at);
    let mandate = texts::without_links(&invited.mandate, &invited.code);
    if invited.is_member {
        let with = With::nothing().of(mandate);
        return texts::letter(Asking::MemberAlready, mail.id, reader, with).map(Some);
    }
    let (purpose, subject) = (Purpose::Invitation, id.uuid());
    let new = NewToken { purpose, subject, about: None, valid_from: now, expires_at };
    let handed = hand(task, app, system, new).await?;
    let with = With::handed(&handed).of(mandate);
    texts::letter(Asking::Invitation, another_id(), reader, with).map(Some)
}

/// The id of a letter with a token: sent again it has another token, and whoever drops what has the
/// same id would keep the one that is good no more.
fn another_id() -> Uuid {
    Uuid::now_v7()
}

async fn send(mailer: Mailer, (mail, kind): (Uuid, String), letter: Letter) -> Result<()> {
    if let Delivery::Refused(why) = mailer.send(letter).await? {
        tracing::warn!(%mail, kind, "a mail was refused for good: {why}");
    }
    Ok(())
}

async fn conclude(task: &mut Task) -> Result<Worked> {
    let (system, mail) = (task.context.system(), mail_of(task)?);
    queue::forget(task, system, mail).await?;
    Ok(Worked::whole(Recorded::nothing_changed()))
}

fn mail_of(task: &Task) -> Result<Uuid> {
    task.subject.parse().map_err(Error::internal)
}
