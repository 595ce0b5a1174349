//! The errand that sends a mail.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::links::link;
use super::queue::{self, About, Mail, Wanted};
use super::texts::{self, Asking, With};
use crate::context::Recorded;
use crate::context::jobs::{Conversation, Errand, Task, Worked};
use crate::context::mailed::Purpose;
use crate::http::app::App;
use crate::kernel::credentials::mailed::MailedToken;
use crate::kernel::error::{Error, Result};
use crate::kernel::mail::{Delivery, Letter, Mailer};

/// What could not be sent for so long is of no use any more.
const OF_USE: Duration = Duration::days(3);
/// Whoever forgot a password waits for it.
const RESET_OF_USE: Duration = Duration::hours(1);
/// How long a token for another password is good (api: 30 minutes).
const RESET_GOOD_FOR: Duration = Duration::minutes(30);

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
    let of_use = if wanted == Wanted::Reset { RESET_OF_USE } else { OF_USE };
    if now - mail.created_at > of_use {
        tracing::warn!(mail = %id, kind = mail.kind, "a mail is given up: it is too old");
        return Ok(None);
    }
    let letter = match wanted {
        Wanted::Told(kind) => told(task, &mail, kind).await?,
        Wanted::Confirmation => confirmation(app, task, &mail).await?,
        Wanted::Confirmations => {
            ask_to_confirm_each(task, &mail).await?;
            None
        }
        Wanted::Reset => reset(app, task, &mail).await?,
    };
    Ok(letter.map(|letter| -> Conversation {
        Box::pin(send(app.mailer().clone(), (id, mail.kind), letter))
    }))
}

async fn told(task: &mut Task, mail: &Mail, kind: texts::Kind) -> Result<Option<Letter>> {
    let system = task.context.system();
    let Some(user) = mail.user else { return Ok(None) };
    let reader = queue::reader(task, system, (user, mail.address.as_deref())).await?;
    reader.map(|reader| texts::letter(kind, mail.id, &reader, With::nothing())).transpose()
}

async fn confirmation(app: &App, task: &mut Task, mail: &Mail) -> Result<Option<Letter>> {
    let (system, now) = (task.context.system(), task.context.now());
    let Some(id) = mail.registration else { return Ok(None) };
    let Some(registered) = queue::registered(task, system, (id, now)).await? else {
        return Ok(None);
    };
    let reader = &registered.reader;
    if registered.is_known {
        return texts::letter(Asking::AddressKnown, mail.id, reader, With::nothing()).map(Some);
    }
    let purpose = Purpose::Registration;
    let token = token(app, task, (purpose, id), registered.expires_at).await?;
    let link = link(app, purpose, &token);
    let with = With { token: &token, link: &link };
    texts::letter(Asking::ConfirmAddress, mail.id, reader, with).map(Some)
}

/// Each is a mail of its own: one that was sent is not sent again because another was not.
async fn ask_to_confirm_each(task: &mut Task, mail: &Mail) -> Result<()> {
    let (context, system) = (task.context.clone(), task.context.system());
    let Some(address_key) = &mail.address else { return Ok(()) };
    let registrations = queue::registrations_of(task, system, (address_key, context.now())).await?;
    for registration in registrations {
        let about = About::Registration(registration);
        queue::ask(task, &context, Wanted::Confirmation, about).await?;
    }
    Ok(())
}

/// To the address that the account has, never to what was typed.
async fn reset(app: &App, task: &mut Task, mail: &Mail) -> Result<Option<Letter>> {
    let (system, now) = (task.context.system(), task.context.now());
    let Some(address_key) = &mail.address else { return Ok(None) };
    let Some((user, reader)) = queue::who_may_reset(task, system, address_key).await? else {
        return Ok(None);
    };
    let purpose = Purpose::Reset;
    let token = token(app, task, (purpose, user.uuid()), now + RESET_GOOD_FOR).await?;
    let link = link(app, purpose, &token);
    let with = With { token: &token, link: &link };
    texts::letter(Asking::ResetPassword, mail.id, &reader, with).map(Some)
}

async fn token(
    app: &App,
    task: &mut Task,
    for_what: (Purpose, Uuid),
    expires_at: DateTime<Utc>,
) -> Result<String> {
    let (system, token) = (task.context.system(), MailedToken::by_chance()?);
    let hash = token.hash(app.keys());
    queue::keep_token(task, system, for_what, &hash, expires_at).await?;
    Ok(token.write())
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
