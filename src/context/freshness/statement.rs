//! The statement that answers a batch.

use std::sync::Arc;

use uuid::Uuid;

use super::batches::Source;
use super::question::Question;
use crate::context::load::{Epochs, Fresh};
use crate::kernel::clock::Clock;
use crate::kernel::db::Database;
use crate::kernel::error::Result;
use crate::kernel::ids::MandateId;

/// The database, asked on a connection of its own: no mandate's load is in the way of a question,
/// and no question in the way of a mandate's.
#[derive(Debug)]
pub(crate) struct Statement {
    pub db: Database,
    pub clock: Arc<dyn Clock>,
}

impl Source for Statement {
    async fn answer(&self, questions: Vec<Question>) -> Result<Vec<Option<Fresh>>> {
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
            self.clock.now(),
        )
        .fetch_all(self.db.freshness())
        .await?;
        let mut answers: Vec<Option<Fresh>> = questions.iter().map(|_| None).collect();
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
}
