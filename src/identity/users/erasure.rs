//! What erasing an account takes away, and what it leaves: the row under a pseudonym, so that
//! whatever somebody made or did still has a maker, and the audit trail.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::context::Account;
use crate::kernel::error::Result;

/// What an erased account is called. By chance alone: what follows from its id could be taken by
/// somebody else beforehand, to stand in the way.
fn pseudonym() -> String {
    let chance = Uuid::new_v4().simple().to_string();
    format!("erased-{}", &chance[..12])
}

/// Takes everything personal from an account that was not erased yet, its memberships with all that
/// hangs on them, and its sessions. Their rows stay until they are purged, since the trail names
/// them, but not where they came from. Answers which invitations went, that named their addresses.
pub(super) async fn erase(
    connection: &mut PgConnection,
    account: Account,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    let gone = sqlx::query_scalar!(
        "with ended as (
           update sessions
           set revoked_at = coalesce(revoked_at, $3), user_agent = null, address = null
           where user_id = $1 returning id),
         renewed_no_more as (
           delete from session_refreshes where session_id in (select id from ended)),
         reached as (select email_key from users where id = $1 and email_key is not null),
         uninvited as (
           delete from invitations
           where accepted_by = $1 or email_key = any (array(
             select email_key from reached
             union all select email_key from earlier_addresses where user_id = $1))
           returning id),
         called_off as (
           delete from mailed_tokens where subject in (select id from uninvited)),
         untold as (
           delete from mails where user_id = $1
             or address in (select email_key from reached) and user_id is null
               and registration_id is null
             or invitation_id in (select id from uninvited)),
         registered as (
           delete from registrations where email_key in (select email_key from reached)
             returning id),
         untried as (delete from tries_in_a_row where user_id = $1),
         moved as (delete from earlier_addresses where user_id = $1),
         unmoved as (delete from address_changes where user_id = $1),
         unasked as (delete from mails where registration_id in (select id from registered)),
         left_behind as (delete from memberships where user_id = $1),
         erased as (
           update users
           set username = $2, username_key = $2, email = null, email_key = null,
               email_verified = false, first_name = null, last_name = null, language = 'en',
               password_hash = null, must_change_password = false, last_login_at = null,
               enabled = false, is_sys_admin = false, erased_at = $3, version = version + 1
           where id = $1 and erased_at is null)
         select id from uninvited",
        account.user().uuid(),
        pseudonym(),
        now,
    );
    Ok(gone.fetch_all(connection).await?)
}

/// What a password is verified against.
pub(super) async fn password_hash(
    connection: &mut PgConnection,
    account: Account,
) -> Result<Option<String>> {
    let hash = sqlx::query_scalar!(
        "select password_hash from users where id = $1 and erased_at is null",
        account.user().uuid()
    )
    .fetch_optional(connection)
    .await?;
    Ok(hash.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::names::checked_username;

    #[test]
    fn a_pseudonym_is_a_username_like_any_other_and_never_the_same_twice() {
        let (one, other) = (pseudonym(), pseudonym());
        assert_eq!(checked_username("/username", &one).as_ref(), Ok(&one));
        assert_ne!(one, other);
    }
}
