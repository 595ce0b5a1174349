//! A membership of a mandate, and what it allows.

use sqlx::PgExecutor;
use sqlx::types::Json;

use super::epochs::Epochs;
use crate::access::HeldRole;
use crate::context::merged_access::MandateAccess;
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// A user's access in a mandate, and the epochs that it was read at.
#[derive(Debug)]
pub struct LoadedMandate {
    /// Of no era: whoever keeps it says of which.
    pub epochs: Epochs,
    /// `None`: not a member, or something on the way is disabled or deleted.
    pub access: Option<MandateAccess>,
    pub first_use: bool,
}

pub async fn mandate_access(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
) -> Result<Option<LoadedMandate>> {
    let row = sqlx::query!(
        r#"select ue.epoch as user_epoch, ce.epoch as catalogue_epoch,
                  coalesce(me.epoch, 0) as "mandate_epoch!",
                  m.user_id is not null as "alive!", (m.user_id is not null
                      and m.first_used_at is null) as "first_use!",
                  coalesce(d.allow_impersonation, false) as "allows_impersonation!",
                  (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                      'protected', r.protected,
                            'tables', role_tables(r.id), 'views', role_view_flags(r.id))
                              order by r.label_key), '[]')
                   from member_roles mr
                   join roles r on r.mandate_id = mr.mandate_id and r.id = mr.role_id
                   where mr.mandate_id = m.mandate_id
                     and mr.user_id = m.user_id) as "roles!: Json<Vec<HeldRole>>"
           from user_epochs ue
           cross join catalogue_epoch ce
           left join mandate_epochs me on me.mandate_id = $2
           left join (memberships m
                      join mandates d on d.id = m.mandate_id and d.enabled and d.deleted_at is null
                      join users u on u.id = m.user_id and u.enabled and u.erased_at is null)
             on m.mandate_id = $2 and m.user_id = ue.user_id and m.enabled
           where ue.user_id = $1"#,
        user.uuid(),
        mandate.uuid(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| LoadedMandate {
        epochs: Epochs {
            user: row.user_epoch,
            mandates: row.mandate_epoch,
            catalogue: row.catalogue_epoch,
            era: Epochs::OF_NO_ERA,
        },
        first_use: row.first_use,
        access: row.alive.then(|| {
            MandateAccess::of(row.roles.0).which_may_be_impersonated(row.allows_impersonation)
        }),
    }))
}

/// Whether somebody is a member of a mandate that is open, with a membership that is disabled.
pub async fn is_suspended(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
) -> Result<bool> {
    let suspended = sqlx::query_scalar!(
        r#"select exists (select 1 from memberships m join mandates d on d.id = m.mandate_id
               and d.enabled and d.deleted_at is null
                          where m.mandate_id = $1 and m.user_id = $2
                            and not m.enabled) as "suspended!""#,
        mandate.uuid(),
        user.uuid(),
    );
    Ok(suspended.fetch_one(executor).await?)
}

/// Whether somebody is a SysAdmin at this moment.
pub async fn is_sys_admin(executor: impl PgExecutor<'_>, user: UserId) -> Result<bool> {
    let is = sqlx::query_scalar!(
        r#"select exists (select 1 from users where id = $1 and is_sys_admin and enabled
                            and erased_at is null) as "is!""#,
        user.uuid(),
    );
    Ok(is.fetch_one(executor).await?)
}
