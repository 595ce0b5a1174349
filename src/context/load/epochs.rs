//! Whether sessions are alive, and at which epochs.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, SessionId, UserId};

/// The numbers that a cached context stands and falls with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    pub user: i64,
    pub mandate: Option<i64>,
    pub catalogue: i64,
}

/// What every request asks first.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    pub is_sys_admin: bool,
    pub epochs: Epochs,
}

/// Whether this session is alive, and at which epochs its user and the mandate are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub session: SessionId,
    pub user: UserId,
    pub mandate: Option<MandateId>,
}

/// The answers, in the order of the questions. `None`: sign in first.
pub async fn freshness(
    executor: impl PgExecutor<'_>,
    questions: &[Question],
    now: DateTime<Utc>,
) -> Result<Vec<Option<Fresh>>> {
    let sessions: Vec<Uuid> = questions.iter().map(|asked| asked.session.uuid()).collect();
    let users: Vec<Uuid> = questions.iter().map(|asked| asked.user.uuid()).collect();
    let mandates: Vec<Option<Uuid>> =
        questions.iter().map(|asked| asked.mandate.map(MandateId::uuid)).collect();
    let rows = sqlx::query!(
        r#"select q.number as "number!", u.is_sys_admin, ue.epoch as user_epoch,
                  ce.epoch as catalogue_epoch, me.epoch as "mandate_epoch?"
           from unnest($1::uuid[], $2::uuid[], $3::uuid[])
             with ordinality q (session, account, mandate, number)
           join sessions s on s.id = q.session and s.user_id = q.account
             and s.revoked_at is null and s.expires_at > $4
           join users u on u.id = s.user_id and u.enabled and u.erased_at is null
           join user_epochs ue on ue.user_id = s.user_id
           cross join catalogue_epoch ce
           left join mandate_epochs me on me.mandate_id = q.mandate"#,
        &sessions,
        &users,
        &mandates as &[Option<Uuid>],
        now,
    )
    .fetch_all(executor)
    .await?;
    let mut answers = vec![None; questions.len()];
    for row in rows {
        let place = usize::try_from(row.number - 1).ok().and_then(|at| answers.get_mut(at));
        if let Some(place) = place {
            *place = Some(Fresh {
                is_sys_admin: row.is_sys_admin,
                epochs: Epochs {
                    user: row.user_epoch,
                    mandate: row.mandate_epoch,
                    catalogue: row.catalogue_epoch,
                },
            });
        }
    }
    Ok(answers)
}
