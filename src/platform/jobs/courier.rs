//! The courier: runs errands, several at a time, each outside any transaction. A mail server that
//! does not answer keeps neither other jobs nor a connection to the database.

use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::scheduler::{AFTER_TROUBLE, checked, guarded, postpone, tell};
use super::store::{self, Due};
use crate::context::jobs::{Conversation, Errand, Task, Worked};
use crate::context::{Recorded, RequestMeta, Services, SystemContext};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::telemetry;

/// How many errands a node runs at the same time.
const AT_ONCE: usize = 8;
/// How soon a node notices that something is to be done.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest that an errand takes; then it has failed.
const LONGEST: Duration = Duration::from_mins(2);
/// How long others leave an errand alone that was claimed: longer than it takes and than concluding
/// it does, so that nobody takes up what is still being done.
const CLAIMED_FOR: chrono::Duration = chrono::Duration::minutes(5);

/// How long a node tries to note what became of an errand: until others may take it up.
const NOTED_WITHIN: Duration = Duration::from_mins(2);
const NOTED_AGAIN: Duration = Duration::from_secs(1);

/// Runs errands.
#[derive(Debug, Clone)]
pub struct Courier<A: 'static> {
    at: A,
    services: Services,
    errands: &'static [Errand<A>],
}

/// An errand that this node has to do.
#[derive(Debug)]
struct Claimed<A: 'static> {
    errand: &'static Errand<A>,
    due: Due,
    claim: Uuid,
}

impl<A: Clone + Send + Sync + 'static> Courier<A> {
    #[must_use]
    pub fn new(at: A, services: Services, errands: &'static [Errand<A>]) -> Self {
        Self { at, services, errands }
    }

    /// Runs until asked to stop, and then until what is under way has ended. Whoever does not wait
    /// for that leaves it to others, who take it up when its claim runs out.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut under_way = JoinSet::new();
        loop {
            let pause = if under_way.len() >= AT_ONCE {
                LOOK_EVERY
            } else {
                self.begin_next(&mut under_way).await
            };
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = under_way.join_next() => {}
                () = sleep(pause) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// How long to wait then.
    async fn begin_next(&self, under_way: &mut JoinSet<()>) -> Duration {
        match self.services.attended(Box::pin(self.claim())).await {
            Ok(Some((claimed, Some(conversation)))) => {
                let courier = self.clone();
                under_way.spawn(async move {
                    if let Err(error) = courier.carry_out(claimed, conversation).await {
                        tell(&error);
                    }
                });
                Duration::ZERO
            }
            Ok(Some((_, None))) => Duration::ZERO,
            Ok(None) => LOOK_EVERY,
            Err(error) => {
                tell(&error);
                AFTER_TROUBLE
            }
        }
    }

    /// Runs one errand, where one is due; whether one was.
    pub async fn step(&self) -> Result<bool> {
        match self.services.attended(Box::pin(self.claim())).await? {
            None => Ok(false),
            Some((_, None)) => Ok(true),
            Some((claimed, Some(conversation))) => {
                self.carry_out(claimed, conversation).await.map(|()| true)
            }
        }
    }

    /// Claims the next errand, with what is to be done for it; `None` for that: it failed, or is
    /// over, and that is noted.
    async fn claim(&self) -> Result<Option<(Claimed<A>, Option<Conversation>)>> {
        let context = self.context();
        let names: Vec<String> = self.errands.iter().map(|errand| errand.name.to_owned()).collect();
        let (claim, now) = (Uuid::new_v4(), context.now());
        let mut writing = context.write().await?;
        let until = (claim, now, now + CLAIMED_FOR);
        let due = store::claim(&mut writing, context.system(), &names, until).await?;
        let Some(due) = due else {
            writing.commit(Recorded::nothing_changed()).await?;
            return Ok(None);
        };
        let Some(errand) = self.errands.iter().find(|errand| errand.name == due.name) else {
            return Err(Error::internal(format!("the errand `{}` is not known", due.name)));
        };
        let mut task = Task::new(context, due.subject.clone(), writing);
        let system = task.context.system();
        store::begin_work(&mut task, system).await?;
        let claimed = Claimed { errand, due, claim };
        let conversation = match prepared(errand, &self.at, &mut task).await {
            Ok(Some(conversation)) => {
                task.into_parts().1.commit(Recorded::nothing_changed()).await?;
                Some(conversation)
            }
            Ok(None) => {
                conclude(&claimed, task, &Ok(())).await?;
                None
            }
            // All of it is undone, the claim too.
            Err(error) if error.code() == Code::DatabaseUnavailable => return Err(error),
            Err(error) => {
                postpone(&claimed.due, task, &error).await?;
                telemetry::job(errand.name, false);
                None
            }
        };
        Ok(Some((claimed, conversation)))
    }

    async fn carry_out(&self, claimed: Claimed<A>, conversation: Conversation) -> Result<()> {
        let done = timeout(LONGEST, guarded(conversation)).await.unwrap_or_else(|_| {
            Err(Error::internal(format!("it took longer than {} s", LONGEST.as_secs())))
        });
        // It was done, or not, and would be done once more for want of a note.
        let give_up = Instant::now() + NOTED_WITHIN;
        loop {
            match self.services.attended(self.concluded(&claimed, &done)).await {
                Err(error) if Instant::now() < give_up => {
                    tell(&error);
                    sleep(NOTED_AGAIN).await;
                }
                concluded => return concluded,
            }
        }
    }

    async fn concluded(&self, claimed: &Claimed<A>, done: &Result<()>) -> Result<()> {
        let context = self.context();
        let mut writing = context.write().await?;
        let Claimed { due, claim, .. } = claimed;
        if !store::is_claimed(&mut writing, context.system(), due, *claim).await? {
            tracing::warn!(
                job = due.name,
                subject = due.subject,
                "took so long that another node did it too"
            );
            return writing.commit(Recorded::nothing_changed()).await;
        }
        let mut task = Task::new(context, due.subject.clone(), writing);
        let system = task.context.system();
        store::begin_work(&mut task, system).await?;
        conclude(claimed, task, done).await
    }

    fn context(&self) -> SystemContext {
        SystemContext::unattended(self.services.clone(), RequestMeta::default())
    }
}

async fn prepared<A: Sync>(
    errand: &Errand<A>,
    at: &A,
    task: &mut Task,
) -> Result<Option<Conversation>> {
    let conversation = guarded((errand.prepare)(at, task)).await?;
    checked(task).await?;
    Ok(conversation)
}

/// Ends the transaction: with the errand over, or due again later.
async fn conclude<A: Sync>(
    Claimed { errand, due, .. }: &Claimed<A>,
    mut task: Task,
    done: &Result<()>,
) -> Result<()> {
    let own;
    let failure = match done {
        Err(error) => error,
        Ok(()) => match worked(errand, &mut task).await {
            Ok(worked) => {
                let (context, mut writing) = task.into_parts();
                store::over(&mut writing, context.system(), due).await?;
                writing.commit(worked.into_recorded()).await?;
                telemetry::job(errand.name, true);
                return Ok(());
            }
            Err(error) if error.code() == Code::DatabaseUnavailable => return Err(error),
            Err(error) => {
                own = error;
                &own
            }
        },
    };
    postpone(due, task, failure).await?;
    telemetry::job(errand.name, false);
    Ok(())
}

async fn worked<A: Sync>(errand: &Errand<A>, task: &mut Task) -> Result<Worked> {
    let worked = guarded((errand.conclude)(task)).await?;
    checked(task).await?;
    Ok(worked)
}
