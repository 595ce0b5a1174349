//! The errand that sends a mail.

use chrono::Duration;
use uuid::Uuid;

use super::queue::{self, Asked};
use super::texts::{self, Kind};
use crate::context::Recorded;
use crate::context::jobs::{Conversation, Errand, Task, Worked};
use crate::http::app::App;
use crate::kernel::error::{Error, Result};
use crate::kernel::mail::{Delivery, Mailer};

/// What could not be sent for so long is of no use any more.
const OF_USE: Duration = Duration::days(3);

/// Sends the mail that is its subject.
pub const SEND_MAIL: Errand<App> = Errand {
    name: "send_mail",
    prepare: |app, task| Box::pin(prepare(app, task)),
    conclude: |task| Box::pin(conclude(task)),
};

async fn prepare(app: &App, task: &mut Task) -> Result<Option<Conversation>> {
    let (system, mail, now) = (task.context.system(), mail_of(task)?, task.context.now());
    let Some(asked) = queue::find(task, system, mail).await? else { return Ok(None) };
    if now - asked.created_at > OF_USE {
        tracing::warn!(%mail, kind = asked.kind, "a mail is given up, three days old");
        return Ok(None);
    }
    let Some(kind) = Kind::named(&asked.kind) else {
        // A newer version asked for it, and its nodes know what to say.
        return Err(Error::internal(format!("mails of the kind `{}` are not known", asked.kind)));
    };
    Ok(Some(Box::pin(send(app.mailer().clone(), kind, mail, asked))))
}

async fn send(mailer: Mailer, kind: Kind, mail: Uuid, asked: Asked) -> Result<()> {
    let letter = texts::letter(kind, mail, &asked)?;
    if let Delivery::Refused(why) = mailer.send(letter).await? {
        tracing::warn!(%mail, kind = asked.kind, "a mail was refused for good: {why}");
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
