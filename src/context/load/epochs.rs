//! Whether sessions are alive, and at which epochs.

use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, SessionId, UserId, uuids};

/// The numbers that what is kept stands and falls with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    pub user: i64,
    /// The sum over the mandates that were asked about; which ones a user is in is the user's. Each
    /// only grows, and begins with 1.
    pub mandates: i64,
    pub catalogue: i64,
    /// Which connection the node was told on: another server, or one that lost what it had not
    /// written yet, may raise the same numbers again for something else.
    pub era: u64,
}

impl Epochs {
    /// Eras begin with 1.
    pub const OF_NO_ERA: u64 = 0;

    /// What hangs on the mandates, and on nobody in particular.
    #[must_use]
    pub fn of_nobody(self) -> Self {
        Self { user: 0, ..self }
    }
}

/// What every request asks first.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    pub is_sys_admin: bool,
    /// Somebody else chose the password: the session is good for changing it.
    pub must_change_password: bool,
    /// The SysAdmin who acts in it as its user.
    pub impersonated_by: Option<UserId>,
    pub epochs: Epochs,
}

/// Whether this session is alive, and at which epochs its user and the mandates are.
#[derive(Debug, Clone)]
pub struct Question {
    pub session: SessionId,
    pub user: UserId,
    pub mandates: Mandates,
    /// The time of the door: whether the session is over then.
    pub at: DateTime<Utc>,
}

/// The mandates that a request hangs on.
#[derive(Debug, Clone)]
pub enum Mandates {
    One(Option<MandateId>),
    Of(Arc<[MandateId]>),
}

impl Deref for Mandates {
    type Target = [MandateId];
    fn deref(&self) -> &[MandateId] {
        match self {
            Self::One(mandate) => mandate.as_slice(),
            Self::Of(mandates) => mandates,
        }
    }
}

/// A session that was not revoked, of an account that may sign in.
#[derive(Debug, Clone, Copy)]
pub struct LiveSession {
    pub user: UserId,
    pub is_sys_admin: bool,
    pub must_change_password: bool,
    pub impersonated_by: Option<UserId>,
    pub expires_at: DateTime<Utc>,
    /// The user's epoch at which all of this is so.
    pub epoch: i64,
}

/// What stands at one moment, of all that was asked about.
#[derive(Debug, Default)]
pub struct Alive {
    pub sessions: Vec<(SessionId, LiveSession)>,
    pub mandates: Vec<(MandateId, i64)>,
    pub catalogue: i64,
}

/// Of sessions with the users that they should be of, and of mandates. What does not live is left
/// out.
pub async fn alive(
    executor: impl PgExecutor<'_>,
    sessions: &[(SessionId, UserId)],
    mandates: &[MandateId],
) -> Result<Alive> {
    let (sessions, users): (Vec<Uuid>, Vec<Uuid>) =
        sessions.iter().map(|(session, user)| (session.uuid(), user.uuid())).unzip();
    let rows = sqlx::query!(
        r#"select s.id as "session?", s.user_id as "user?",
                  u.is_sys_admin and s.impersonated_by is null as "is_sys_admin?",
                  u.must_change_password and s.impersonated_by is null as "must_change_password?",
                  s.impersonated_by as "impersonated_by?", s.expires_at as "expires_at?",
                  null::uuid as "mandate?", ue.epoch as "epoch!"
           from unnest($1::uuid[], $2::uuid[]) q (session, account)
           join sessions s on s.id = q.session and s.user_id = q.account and s.revoked_at is null
           join users u on u.id = s.user_id and u.enabled and u.erased_at is null
           join user_epochs ue on ue.user_id = s.user_id
           union all
           select null, null, null, null, null, null, mandate_id, epoch from mandate_epochs
           where mandate_id = any ($3)
           union all
           select null, null, null, null, null, null, null, epoch from catalogue_epoch"#,
        &sessions,
        &users,
        &uuids(mandates),
    )
    .fetch_all(executor)
    .await?;
    let mut alive = Alive::default();
    for row in rows {
        match (row.session, row.user, row.is_sys_admin, row.expires_at, row.mandate) {
            (Some(session), Some(user), Some(is_sys_admin), Some(expires_at), _) => {
                let user = UserId::from(user);
                let must_change_password = row.must_change_password.unwrap_or(true);
                let live = LiveSession {
                    user,
                    is_sys_admin,
                    must_change_password,
                    impersonated_by: row.impersonated_by.map(UserId::from),
                    expires_at,
                    epoch: row.epoch,
                };
                alive.sessions.push((session.into(), live));
            }
            (.., Some(mandate)) => alive.mandates.push((mandate.into(), row.epoch)),
            _ => alive.catalogue = row.epoch,
        }
    }
    Ok(alive)
}
