//! Mail that is to be sent, in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::texts::Kind;
use crate::context::{Actor, System};
use crate::kernel::error::Result;
use crate::kernel::ids::{InvitationId, UserId};

/// The errand that sends one.
pub(super) const ERRAND: &str = "send_mail";

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What happened to somebody's account.
    Told(Kind),
    /// A token that confirms a registration.
    Confirmation,
    /// The same for every registration of an address.
    Confirmations,
    /// A token that confirms another address of an account.
    NewAddress,
    /// A token for another password, that somebody asked for by address.
    Reset,
    /// The same, that a SysAdmin asked for.
    ResetOfUser,
    /// A token that accepts an invitation.
    Invitation,
}

impl Wanted {
    /// As it is kept.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Told(kind) => kind.name(),
            Self::Confirmation => "confirmation",
            Self::Confirmations => "confirmations",
            Self::NewAddress => "new_address",
            Self::Reset => "reset",
            Self::ResetOfUser => "reset_of_user",
            Self::Invitation => "invitation",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let others = [
            Self::Confirmation,
            Self::Confirmations,
            Self::NewAddress,
            Self::Reset,
            Self::ResetOfUser,
            Self::Invitation,
        ];
        let other = others.into_iter().find(|wanted| wanted.name() == name);
        other.or_else(|| Kind::told(name).map(Self::Told))
    }
}

/// Whom it is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// An account, at the address that it has then, or at this one.
    User(UserId, Option<&'a str>),
    Registration(Uuid),
    Invitation(InvitationId),
    /// Whoever has it, if anybody.
    Address(&'a str),
}

/// Notes it, and the errand that sends it.
pub(super) async fn ask(
    connection: &mut PgConnection,
    actor: &impl Actor,
    wanted: Wanted,
    about: About<'_>,
) -> Result<()> {
    let (mut user, mut registration, mut invitation, mut address) = (None, None, None, None);
    match about {
        About::User(whose, at) => (user, address) = (Some(whose.uuid()), at),
        About::Registration(id) => registration = Some(id),
        About::Invitation(id) => invitation = Some(id.uuid()),
        About::Address(at) => address = Some(at),
    }
    sqlx::query!(
        "with mail as (
           insert into mails (id, kind, user_id, registration_id, invitation_id, address,
               created_at)
             values ($1, $2, $3, $4, $8, $5, $6) returning id)
         insert into jobs (name, subject, due_at) select $7, id::text, $6 from mail",
        Uuid::now_v7(),
        wanted.name(),
        user,
        registration,
        address,
        actor.now(),
        ERRAND,
        invitation,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A mail that is to be sent.
#[derive(Debug)]
pub(super) struct Mail {
    pub id: Uuid,
    pub kind: String,
    pub user: Option<UserId>,
    pub registration: Option<Uuid>,
    pub invitation: Option<InvitationId>,
    pub address: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl Mail {
    /// `None` for what only a newer version knows.
    pub fn wanted(&self) -> Option<Wanted> {
        Wanted::named(&self.kind)
    }
}

pub(super) async fn find(
    connection: &mut PgConnection,
    _: System,
    mail: Uuid,
) -> Result<Option<Mail>> {
    let found = sqlx::query_as!(
        Mail,
        r#"select id, kind, user_id as "user: UserId", registration_id as registration,
             invitation_id as "invitation: InvitationId", address, created_at
           from mails where id = $1"#,
        mail
    );
    Ok(found.fetch_optional(connection).await?)
}

/// It was sent, or never will be.
pub(super) async fn forget(connection: &mut PgConnection, _: System, mail: Uuid) -> Result<()> {
    sqlx::query!("delete from mails where id = $1", mail).execute(connection).await?;
    Ok(())
}
