//! The statement that answers a batch.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::batches::Source;
use crate::context::load::{Fresh, Question, freshness};
use crate::kernel::clock::Clock;
use crate::kernel::db::Database;
use crate::kernel::error::{Code, Error, Result};

/// Longer than this no connection is waited for: it may have died silently, and every request of
/// the node would wait with it. What is asked changes nothing, so it can be asked again on another
/// one.
const PATIENCE: Duration = Duration::from_secs(2);
/// So that all of them take as long as a single statement may.
const ATTEMPTS: usize = 5;

/// The database, asked on connections that nothing else uses: no mandate's load is in the way of a
/// question, and no question in the way of a mandate's.
#[derive(Debug)]
pub(crate) struct Statement {
    pub db: Database,
    pub clock: Arc<dyn Clock>,
}

impl Source for Statement {
    async fn answer(&self, questions: Vec<Question>) -> Result<Vec<Option<Fresh>>> {
        for _ in 0..ATTEMPTS {
            let asked = freshness(self.db.freshness(), &questions, self.clock.now());
            match timeout(PATIENCE, asked).await {
                // The connection was dead, and nothing but the connection.
                Ok(Err(lost)) if lost.code() == Code::DatabaseUnavailable => {
                    if !self.db.is_there().await {
                        return Err(lost);
                    }
                }
                Ok(answered) => return answered,
                Err(_) => self.db.doubt(),
            }
        }
        Err(Error::database_too_slow())
    }
}
