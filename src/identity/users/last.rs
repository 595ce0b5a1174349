//! Whether an account is the last that governs something, which it then has to go on doing.

use sqlx::PgConnection;

use crate::context::Account;
use crate::kernel::error::{Error, Result};

/// 409 where, without this account, no active SysAdmin would be left. Meaningful under the
/// platform's lock.
pub(super) async fn require_other_sys_admin(
    connection: &mut PgConnection,
    account: Account,
) -> Result<()> {
    let last = sqlx::query_scalar!(
        r#"select exists (select 1 from users
                          where id = $1 and is_sys_admin and enabled and erased_at is null)
              and not exists (select 1 from users
                              where id <> $1 and is_sys_admin and enabled
                                and erased_at is null) as "last!""#,
        account.user().uuid()
    )
    .fetch_one(connection)
    .await?;
    if last { Err(Error::last_sys_admin()) } else { Ok(()) }
}

/// 409 where the account is the last effective admin of any mandate. Meaningful under the locks of
/// its mandates.
pub(super) async fn require_other_admins(
    connection: &mut PgConnection,
    account: Account,
) -> Result<()> {
    let last = sqlx::query_scalar!(
        r#"select exists (
             select 1
             from memberships m
             join mandates d on d.id = m.mandate_id and d.deleted_at is null
             join member_roles mr on mr.mandate_id = m.mandate_id and mr.user_id = m.user_id
             join roles r on r.mandate_id = mr.mandate_id and r.id = mr.role_id and r.protected
             join users me on me.id = m.user_id and me.enabled and me.erased_at is null
             where m.user_id = $1 and m.enabled
               and not exists (
                 select 1 from member_roles omr
                 join memberships om on om.mandate_id = omr.mandate_id and om.user_id = omr.user_id
                   and om.enabled
                 join users o on o.id = om.user_id and o.enabled and o.erased_at is null
                 where omr.mandate_id = m.mandate_id and omr.role_id = r.id
                   and omr.user_id <> $1)) as "last!""#,
        account.user().uuid()
    )
    .fetch_one(connection)
    .await?;
    if last { Err(Error::last_mandate_admin()) } else { Ok(()) }
}
