//! How much mail people can have sent to an address, their own or somebody else's.

use chrono::Duration;
use sqlx::PgConnection;

use super::queue::Wanted;
use crate::context::Actor;
use crate::kernel::crypto::Keys;
use crate::kernel::error::Result;

/// So many of each kind for an address, within this time.
const MOST: i32 = 3;
/// So many times may one mandate have one address invited: each is somebody's deed, and told in the
/// trail.
const MOST_INVITED: i32 = 10;
const WITHIN: Duration = Duration::hours(1);
/// When there is room again at the latest.
pub(super) const WAIT_SECONDS: u64 = 3_600;

/// Notes that mail is asked for; whether it is to be sent. Known or not, an address takes the same
/// work.
pub(super) async fn allows(
    connection: &mut PgConnection,
    keys: &Keys,
    actor: &impl Actor,
    (wanted, address_key): (Wanted, &str),
) -> Result<bool> {
    let key = keys.mailed_tag(&[b"budget", wanted.name().as_bytes(), address_key.as_bytes()]);
    let now = actor.now();
    let most = if wanted == Wanted::Invitation { MOST_INVITED } else { MOST };
    let allowed = sqlx::query_scalar!(
        r#"insert into mail_budgets as b (key, asked_at, forgotten_at)
             values ($1, array[$2::timestamptz], $4)
           on conflict (key) do update
             set asked_at =
                 array(select at from unnest(b.asked_at) at where at > $3) || $2::timestamptz,
               forgotten_at = $4
             where (select count(*) from unnest(b.asked_at) at where at > $3) < $5::int
           returning true as "allowed!""#,
        key.as_slice(),
        now,
        now - WITHIN,
        now + WITHIN,
        most,
    );
    Ok(allowed.fetch_optional(connection).await?.unwrap_or(false))
}
