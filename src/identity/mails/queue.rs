//! Mail that is to be sent, in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::texts::{Kind, Reader};
use crate::context::mailed::Purpose;
use crate::context::{Actor, System};
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

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
    /// A token for another password.
    Reset,
}

impl Wanted {
    /// As it is kept.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Told(kind) => kind.name(),
            Self::Confirmation => "confirmation",
            Self::Confirmations => "confirmations",
            Self::Reset => "reset",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let others = [Self::Confirmation, Self::Confirmations, Self::Reset];
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
    let (user, registration, address) = match about {
        About::User(user, address) => (Some(user.uuid()), None, address),
        About::Registration(registration) => (None, Some(registration), None),
        About::Address(address) => (None, None, Some(address)),
    };
    sqlx::query!(
        "with mail as (
           insert into mails (id, kind, user_id, registration_id, address, created_at)
             values ($1, $2, $3, $4, $5, $6) returning id)
         insert into jobs (name, subject, due_at) select $7, id::text, $6 from mail",
        Uuid::now_v7(),
        wanted.name(),
        user,
        registration,
        address,
        actor.now(),
        ERRAND,
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
        r#"select id, kind, user_id as "user: UserId", registration_id as registration, address,
             created_at
           from mails where id = $1"#,
        mail
    );
    Ok(found.fetch_optional(connection).await?)
}

/// Somebody who has an account; `None` where they are there no more, or have no address.
pub(super) async fn reader(
    connection: &mut PgConnection,
    _: System,
    (user, address): (UserId, Option<&str>),
) -> Result<Option<Reader>> {
    let reader = sqlx::query_as!(
        Reader,
        r#"select username, language, coalesce($2, email) as "address!" from users
           where id = $1 and erased_at is null and coalesce($2, email) is not null"#,
        user.uuid(),
        address,
    );
    Ok(reader.fetch_optional(connection).await?)
}

/// Somebody who registered and has not confirmed it yet.
#[derive(Debug)]
pub(super) struct Registered {
    pub reader: Reader,
    pub expires_at: DateTime<Utc>,
    /// Whether an account has the address already.
    pub is_known: bool,
}

pub(super) async fn registered(
    connection: &mut PgConnection,
    _: System,
    (registration, now): (Uuid, DateTime<Utc>),
) -> Result<Option<Registered>> {
    let row = sqlx::query!(
        r#"select r.username, r.language, r.email, r.expires_at,
             exists (select 1 from users u where u.email_key = r.email_key) as "is_known!"
           from registrations r where r.id = $1 and r.expires_at > $2 for update"#,
        registration,
        now,
    );
    Ok(row.fetch_optional(connection).await?.map(|row| Registered {
        reader: Reader { username: row.username, language: row.language, address: row.email },
        expires_at: row.expires_at,
        is_known: row.is_known,
    }))
}

/// The registrations of an address that wait to be confirmed: the newest of them.
pub(super) async fn registrations_of(
    connection: &mut PgConnection,
    _: System,
    (address_key, now): (&str, DateTime<Utc>),
) -> Result<Vec<Uuid>> {
    let registrations = sqlx::query_scalar!(
        "select id from registrations where email_key = $1 and expires_at > $2
         order by created_at desc limit 3",
        address_key,
        now,
    );
    Ok(registrations.fetch_all(connection).await?)
}

/// Who may choose another password by mail to this address: the account whose owner confirmed it.
/// Locked, so that what is mailed ends with what changes the account meanwhile.
pub(super) async fn who_may_reset(
    connection: &mut PgConnection,
    _: System,
    address_key: &str,
) -> Result<Option<(UserId, Reader)>> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", username, language, email as "email!" from users
           where email_key = $1 and email_verified and enabled and erased_at is null
           for no key update"#,
        address_key,
    );
    Ok(row.fetch_optional(connection).await?.map(|row| {
        let (username, language, address) = (row.username, row.language, row.email);
        (row.id, Reader { username, language, address })
    }))
}

/// Keeps the hash of a token that is about to be mailed. An earlier one of its kind is good no
/// more.
pub(super) async fn keep_token(
    connection: &mut PgConnection,
    _: System,
    (purpose, subject): (Purpose, Uuid),
    hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into mailed_tokens (hash, kind, subject, expires_at) values ($1, $2, $3, $4)
         on conflict (kind, subject)
           do update set hash = excluded.hash, expires_at = excluded.expires_at",
        hash,
        purpose.name(),
        subject,
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// It was sent, or never will be.
pub(super) async fn forget(connection: &mut PgConnection, _: System, mail: Uuid) -> Result<()> {
    sqlx::query!("delete from mails where id = $1", mail).execute(connection).await?;
    Ok(())
}
