//! Tokens that are mailed, in the database. (Redeemed they are in `context::mailed`.)

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::context::System;
use crate::context::mailed::Purpose;
use crate::kernel::error::Result;

/// A token that is to be given.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    pub purpose: Purpose,
    pub subject: Uuid,
    /// The address that it confirms, as it is compared.
    pub about: Option<&'a str>,
    pub valid_from: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Keeps the hash of a token that is about to be mailed. An earlier one of its kind is good no
/// more.
pub(super) async fn keep(
    connection: &mut PgConnection,
    _: System,
    token: &NewToken<'_>,
    hash: &[u8],
) -> Result<()> {
    sqlx::query!(
        "insert into mailed_tokens (hash, kind, subject, about, valid_from, expires_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (kind, subject) do update
           set hash = excluded.hash, about = excluded.about, valid_from = excluded.valid_from,
             expires_at = excluded.expires_at",
        hash,
        token.purpose.name(),
        token.subject,
        token.about,
        token.valid_from,
        token.expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
