//! The statements that answer a batch.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::batches::Source;
use super::by_heart::{ByHeart, MOST_CHANGES};
use crate::context::load::{
    Epochs, Fresh, Question, Server, Snapshot, alive, changes_since, server,
};
use crate::kernel::db::{Database, KeptConnection};
use crate::kernel::error::{Code, Error, Result};

/// Longer than this no connection is waited for: it may have died silently, and every request of
/// the node would wait with it. What is asked changes nothing, so it can be asked again on another
/// one.
const PATIENCE: Duration = Duration::from_secs(2);
/// As old a connection gets, like those of the pools.
const OLDEST: Duration = Duration::from_mins(30);
/// So that all of them take as long as a single statement may.
const ATTEMPTS: usize = 5;

/// The database, asked on a connection that nothing else uses: no mandate's load is in the way of a
/// question, and no question in the way of a mandate's.
///
/// What the node knows by heart lives and dies with that connection. A batch asks what has changed
/// since the last one, and looks up only what is not known.
#[derive(Debug)]
pub(crate) struct Statement {
    db: Database,
    listening: Mutex<Option<Listening>>,
    era: Mutex<Era>,
}

/// The present one, and by which server's history it goes.
#[derive(Debug)]
struct Era {
    number: u64,
    history: Option<String>,
    /// Whether it was a server that follows another one which was asked last.
    is_following: bool,
}

#[derive(Debug)]
struct Listening {
    connection: KeptConnection,
    since: Instant,
    heard: Instant,
    known: ByHeart,
}

impl Statement {
    pub fn of(db: Database) -> Self {
        let era = Era { number: Epochs::OF_NO_ERA, history: None, is_following: false };
        Self { db, listening: Mutex::default(), era: Mutex::new(era) }
    }

    /// Where it fails, or is given up, connection and knowledge are gone: they were taken out.
    async fn attempt(&self, questions: &[Question]) -> Result<Vec<Option<Fresh>>> {
        let mut listening = match self.taken_up().await {
            Some(listening) => listening,
            None => self.begin().await?,
        };
        listening.catch_up(questions).await?;
        let known = listening.known.answers(questions);
        listening.look_up(questions).await?;
        let answers = known
            .into_iter()
            .zip(questions)
            .map(|(known, question)| known.unwrap_or_else(|| listening.known.answer(question)))
            .collect();
        listening.heard = Instant::now();
        *self.listening() = Some(listening);
        Ok(answers)
    }

    /// The connection of before, unless it may have died, or got old: where a proxy stands between,
    /// another server may have taken over from the one that it leads to.
    async fn taken_up(&self) -> Option<Listening> {
        let mut listening = self.listening().take()?;
        let is_good = listening.since.elapsed() < OLDEST
            && self.db.still_answers(&mut listening.connection, listening.heard.elapsed()).await;
        is_good.then_some(listening)
    }

    async fn begin(&self) -> Result<Listening> {
        let mut connection = self.db.kept().await?;
        let Server { is_following, history } = server(&mut *connection).await?;
        if self.notice(is_following) {
            return Err(Error::database_unavailable());
        }
        let era = self.era_of(history);
        let changes = changes_since(&mut *connection, &Snapshot::never(), MOST_CHANGES).await?;
        let now = Instant::now();
        let known = ByHeart::from(era, changes);
        Ok(Listening { connection, since: now, heard: now, known })
    }

    /// Another one wherever what was seen before may have been lost.
    fn era_of(&self, history: Option<String>) -> u64 {
        let mut era = self.era();
        if history.is_none() || history != era.history {
            (era.number, era.history) = (era.number + 1, history);
        }
        era.number
    }

    /// Said once, however many ask meanwhile.
    fn notice(&self, is_following: bool) -> bool {
        let did = std::mem::replace(&mut self.era().is_following, is_following);
        if is_following && !did {
            tracing::warn!(
                "the database follows another server, and cannot tell what is true now: requests \
                 are refused until DATABASE_URL leads to the server that writes"
            );
        }
        is_following
    }

    fn era(&self) -> MutexGuard<'_, Era> {
        self.era.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listening(&self) -> MutexGuard<'_, Option<Listening>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listening {
    /// Needless where nobody asks about anything that is known.
    async fn catch_up(&mut self, questions: &[Question]) -> Result<()> {
        if self.known.is_full() {
            self.known.forget();
        }
        if questions.iter().any(|question| self.known.knows(question)) {
            let changes =
                changes_since(&mut *self.connection, self.known.at(), MOST_CHANGES).await?;
            self.known.learn(changes);
        }
        Ok(())
    }

    async fn look_up(&mut self, questions: &[Question]) -> Result<()> {
        let missing = self.known.missing(questions);
        if !missing.sessions.is_empty() {
            let found = alive(&mut *self.connection, &missing.sessions, &missing.mandates).await?;
            self.known.add(&missing, found);
        }
        Ok(())
    }
}

impl Source for Statement {
    async fn answer(&self, questions: Vec<Question>) -> Result<Vec<Option<Fresh>>> {
        let mut lost_before = None;
        for _ in 0..ATTEMPTS {
            // In a box, since statements are large futures.
            let asked = self.db.answered(Box::pin(self.attempt(&questions)));
            match timeout(PATIENCE, asked).await {
                // The connection was dead, and nothing but the connection.
                Ok(Err(lost)) if lost.code() == Code::DatabaseUnavailable => {
                    if !self.db.is_there().await {
                        return Err(lost);
                    }
                    lost_before = Some(lost);
                }
                Ok(answered) => return answered,
                Err(_) => self.db.doubt(),
            }
        }
        Err(lost_before.unwrap_or_else(Error::database_too_slow))
    }
}
