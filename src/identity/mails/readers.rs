//! Whom mail is for, in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::texts::Reader;
use crate::context::mailed::TRIES;
use crate::context::{Account, System};
use crate::kernel::error::Result;
use crate::kernel::ids::{InvitationId, UserId};

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
           from registrations r where r.id = $1 and r.expires_at > $2 and r.tries < $3
           for update"#,
        registration,
        now,
        TRIES,
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
        "select id from registrations where email_key = $1 and expires_at > $2 and tries < $3
         order by created_at desc limit 3",
        address_key,
        now,
        TRIES,
    );
    Ok(registrations.fetch_all(connection).await?)
}

/// Somebody who may choose another password by mail.
#[derive(Debug)]
pub(super) struct Forgetful {
    pub user: UserId,
    pub reader: Reader,
    pub was_never_used: bool,
}

/// Who may choose another password by mail: whose account has this address, confirmed; or this
/// account, confirmed or not where nobody has used it yet. Locked, so that what is mailed ends
/// with what changes the account meanwhile.
pub(super) async fn who_may_reset(
    connection: &mut PgConnection,
    _: System,
    (address_key, user): (Option<&str>, Option<UserId>),
) -> Result<Option<Forgetful>> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", username, language, email as "email!",
             was_never_used(u) as "was_never_used!"
           from users u
           where (email_key = $1 and email_verified
                  or id = $2 and email is not null and (email_verified or was_never_used(u)))
             and enabled and erased_at is null
           for no key update"#,
        address_key,
        user.map(UserId::uuid),
    );
    Ok(row.fetch_optional(connection).await?.map(|row| {
        let (username, language, address) = (row.username, row.language, row.email);
        let reader = Reader { username, language, address };
        Forgetful { user: row.id, reader, was_never_used: row.was_never_used }
    }))
}

/// Somebody who wants another address.
#[derive(Debug)]
pub(super) struct Moving {
    /// With the address that they want.
    pub reader: Reader,
    pub address_key: String,
    pub expires_at: DateTime<Utc>,
    /// Whether another account has it.
    pub is_taken: bool,
}

/// `None` where it is another one by now. The account is locked, as for [`who_may_reset`].
pub(super) async fn moving(
    connection: &mut PgConnection,
    _: System,
    (user, email): (UserId, &str),
    now: DateTime<Utc>,
) -> Result<Option<Moving>> {
    let row = sqlx::query!(
        r#"select u.username, u.language, c.email, c.email_key, c.expires_at,
             exists (select 1 from users o
                     where o.email_key = c.email_key and o.id <> u.id) as "is_taken!"
           from users u join address_changes c on c.user_id = u.id
           where u.id = $1 and u.enabled and u.erased_at is null and c.email = $2
             and c.expires_at > $3
           for no key update of u"#,
        user.uuid(),
        email,
        now,
    );
    Ok(row.fetch_optional(connection).await?.map(|row| Moving {
        reader: Reader { username: row.username, language: row.language, address: row.email },
        address_key: row.email_key,
        expires_at: row.expires_at,
        is_taken: row.is_taken,
    }))
}

/// Where somebody was written to before, and is now.
pub(super) async fn addresses(
    connection: &mut PgConnection,
    account: Account,
) -> Result<Vec<String>> {
    let addresses = sqlx::query_scalar!(
        r#"select email as "email!" from users where id = $1 and email is not null
           union all
           select a.email from earlier_addresses a where a.user_id = $1
             and not exists (select 1 from users u where u.id = $1 and u.email_key = a.email_key)"#,
        account.user().uuid()
    );
    Ok(addresses.fetch_all(connection).await?)
}

/// Somebody who is invited.
#[derive(Debug)]
pub(super) struct InvitedReader {
    /// In the language of the mandate. What somebody is called who has no account nobody knows.
    pub reader: Reader,
    /// What the mandate is called.
    pub mandate: String,
    pub code: String,
    pub expires_at: DateTime<Utc>,
    /// Whether the address is a member's already.
    pub is_member: bool,
}

/// `None` where the invitation is over. Locked, so that a token that is mailed ends with it.
pub(super) async fn invited(
    connection: &mut PgConnection,
    _: System,
    (invitation, now): (InvitationId, DateTime<Utc>),
) -> Result<Option<InvitedReader>> {
    let row = sqlx::query!(
        r#"select i.email, i.expires_at, m.language, m.name, m.code,
             exists (select 1 from memberships o where o.mandate_id = i.mandate_id
                       and o.email_key = i.email_key) as "is_member!"
           from invitations i
           join mandates m on m.id = i.mandate_id and m.deleted_at is null
           where i.id = $1 and invitation_status(i, $2) = 'pending'
           for no key update of i"#,
        invitation.uuid(),
        now,
    );
    Ok(row.fetch_optional(connection).await?.map(|row| InvitedReader {
        reader: Reader { username: String::new(), language: row.language, address: row.email },
        mandate: row.name,
        code: row.code,
        expires_at: row.expires_at,
        is_member: row.is_member,
    }))
}
