//! Tokens that are mailed: given to whoever reads the mail of an address, and good once. A job
//! gives them as it sends, and whoever redeems one has shown whose account they may act on.

use sqlx::PgConnection;
use uuid::Uuid;

use super::visitor::Visitor;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;

/// What a mailed token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Confirming a registration, its subject.
    Registration,
    /// A new password for an account, its subject.
    Reset,
}

impl Purpose {
    /// As it is kept.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Reset => "reset",
        }
    }
}

/// A token of an account that was redeemed: its holder may act on that account, in the transaction
/// that used the token up.
#[derive(Debug)]
pub struct Redeemed(UserId);

impl Redeemed {
    #[must_use]
    pub fn user(&self) -> UserId {
        self.0
    }
}

/// Whatever is wrong with a token: one answer.
#[must_use]
pub fn token_gone() -> Error {
    let detail = "The token is unknown, was used, was replaced by a newer one, or is too old.";
    Error::new(Code::TokenGone, detail)
}

/// Whom or what a token is for that is good now; `None` for any other.
pub async fn subject(
    connection: &mut PgConnection,
    visitor: &Visitor,
    purpose: Purpose,
    hash: &[u8],
) -> Result<Option<Uuid>> {
    let subject = sqlx::query_scalar!(
        "select subject from mailed_tokens where hash = $1 and kind = $2 and expires_at > $3",
        hash,
        purpose.name(),
        visitor.now(),
    );
    Ok(subject.fetch_optional(connection).await?)
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
    let redeemed = sqlx::query_scalar!(
        "delete from mailed_tokens
         where hash = $1 and kind = $2 and subject = $3 and expires_at > $4 returning subject",
        hash,
        purpose.name(),
        user.uuid(),
        visitor.now(),
    );
    Ok(redeemed.fetch_optional(connection).await?.map(|user| Redeemed(user.into())))
}
