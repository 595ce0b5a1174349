//! Tokens that are mailed: given to whoever reads the mail of an address, and good once. A job
//! gives them as it sends, and whoever redeems one has shown whose account they may act on.

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::visitor::Visitor;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InvitationId, UserId};

/// Passwords that may be tried with the token of a registration.
pub const TRIES: i32 = 5;

/// What a mailed token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Confirming a registration, its subject.
    Registration,
    /// Another address for an account, its subject.
    Address,
    /// A new password for an account, its subject.
    Reset,
    /// Becoming a member as an invitation says, its subject.
    Invitation,
}

impl Purpose {
    /// As it is kept.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Address => "address",
            Self::Reset => "reset",
            Self::Invitation => "invitation",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Registration, Self::Address, Self::Reset, Self::Invitation]
            .into_iter()
            .find(|purpose| purpose.name() == name)
    }
}

/// A token of an account that was redeemed: its holder may act on that account, in the transaction
/// that used the token up.
#[derive(Debug)]
pub struct Redeemed {
    user: UserId,
    about: Option<String>,
}

impl Redeemed {
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }
    /// The address that it was mailed to, where that is what it confirms.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }
}

/// The token of an invitation that was used up, for the one account that may be made of it in the
/// same transaction.
#[derive(Debug)]
pub struct Redemption(());

/// Whatever is wrong with a token: one answer.
#[must_use]
pub fn token_gone() -> Error {
    let detail = "The token is unknown, was used, was replaced by a newer one, or is too old.";
    Error::new(Code::TokenGone, detail)
}

/// What a token is for that is good now, and for whom; 410 for any other.
pub async fn look(
    connection: &mut PgConnection,
    visitor: &Visitor,
    hash: &[u8],
) -> Result<(Purpose, Uuid)> {
    let now = visitor.now();
    let row = sqlx::query!(
        "select kind, subject, valid_from from mailed_tokens where hash = $1 and expires_at > $2",
        hash,
        now,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(token_gone)?;
    if row.valid_from > now {
        return Err(not_yet(row.valid_from));
    }
    let purpose = Purpose::named(&row.kind).ok_or_else(token_gone)?;
    Ok((purpose, row.subject))
}

/// The holder learns when: nobody else has the token.
fn not_yet(valid_from: DateTime<Utc>) -> Error {
    let from = valid_from.to_rfc3339_opts(SecondsFormat::Secs, true);
    Error::new(Code::TokenGone, format!("The token is good from {from} on, and not before."))
        .with("validFrom", from)
}

/// Uses up the token of an account, if it is still good, with the account locked: whatever ends
/// tokens locks that first, too.
pub async fn redeem(
    connection: &mut PgConnection,
    visitor: &Visitor,
    (purpose, user): (Purpose, UserId),
    hash: &[u8],
) -> Result<Option<Redeemed>> {
    sqlx::query!("select id from users where id = $1 for no key update", user.uuid())
        .fetch_optional(&mut *connection)
        .await?;
    let token = used_up(connection, (purpose, user.uuid()), hash, visitor.now()).await?;
    Ok(token.map(|Used { about }| Redeemed { user, about }))
}

/// Uses up the token of an invitation; 410 where it is good no more.
pub(super) async fn use_up(
    connection: &mut PgConnection,
    (invitation, hash): (InvitationId, &[u8]),
    now: DateTime<Utc>,
) -> Result<Redemption> {
    let used = used_up(connection, (Purpose::Invitation, invitation.uuid()), hash, now).await?;
    used.map(|_| Redemption(())).ok_or_else(token_gone)
}

struct Used {
    about: Option<String>,
}

/// Takes a token away that is good at this time.
async fn used_up(
    connection: &mut PgConnection,
    (purpose, subject): (Purpose, Uuid),
    hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<Used>> {
    let used = sqlx::query_as!(
        Used,
        "delete from mailed_tokens
         where hash = $1 and kind = $2 and subject = $3
           and valid_from <= $4 and expires_at > $4 returning about",
        hash,
        purpose.name(),
        subject,
        now,
    );
    Ok(used.fetch_optional(connection).await?)
}
