//! The scheduler: takes what is due, one job after the other, and sleeps until the next is.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::sleep;

use super::store::{self, Due};
use crate::context::jobs::{Job, Task, Worked};
use crate::context::{Recorded, RequestMeta, Services, SystemContext};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::telemetry;

/// The longest sleep: how late a node notices what was made due meanwhile, or left behind by
/// another that died.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// The sleep after the database could not be asked.
pub(super) const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// When a job is tried again that failed for the first time; then twice as long each time, up to
/// the longest.
const FIRST_DELAY: chrono::Duration = chrono::Duration::seconds(10);
const LONGEST_DELAY: chrono::Duration = chrono::Duration::hours(1);

/// Runs jobs, on each node one at a time.
#[derive(Debug)]
pub struct Scheduler {
    services: Services,
    jobs: &'static [Job],
    names: Vec<String>,
    standing: OnceCell<()>,
}

/// What the scheduler has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A job ran, well or not.
    Ran,
    /// Nothing is due for so long.
    Idle(Duration),
}

impl Scheduler {
    #[must_use]
    pub fn new(services: Services, jobs: &'static [Job]) -> Self {
        let names = jobs.iter().map(|job| job.name.to_owned()).collect();
        Self { services, jobs, names, standing: OnceCell::new() }
    }

    /// Runs until asked to stop; a job that runs by then is ended first.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let pause = match self.step().await {
                Ok(Step::Ran) => Duration::ZERO,
                Ok(Step::Idle(pause)) => pause,
                Err(error) => {
                    tell(&error);
                    AFTER_TROUBLE
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Runs one job, where one is due.
    pub async fn step(&self) -> Result<Step> {
        self.services.attended(Box::pin(self.attempt())).await
    }

    async fn attempt(&self) -> Result<Step> {
        self.standing.get_or_try_init(|| self.stand()).await?;
        let context = self.context();
        let mut writing = context.write().await?;
        let now = context.now();
        let Some(due) = store::take(&mut writing, context.system(), &self.names, now).await? else {
            let next = store::next_due(&mut writing, context.system(), &self.names, now).await?;
            writing.commit(Recorded::nothing_changed()).await?;
            let pause = next.and_then(|next| (next - now).to_std().ok()).unwrap_or(LONGEST_SLEEP);
            return Ok(Step::Idle(pause.min(LONGEST_SLEEP)));
        };
        let Some(job) = self.jobs.iter().find(|job| job.name == due.name) else {
            return Err(Error::internal(format!(
                "the job `{}` was taken and is not known",
                due.name
            )));
        };
        let outcome = run(job, &due, Task::new(context, due.subject.clone(), writing)).await;
        telemetry::job(job.name, matches!(outcome, Ok(true)));
        outcome.map(|_| Step::Ran)
    }

    fn context(&self) -> SystemContext {
        SystemContext::unattended(self.services.clone(), RequestMeta::default())
    }

    async fn stand(&self) -> Result<()> {
        let context = self.context();
        let standing: Vec<String> = self
            .jobs
            .iter()
            .filter(|job| job.every.is_some())
            .map(|job| job.name.to_owned())
            .collect();
        let mut writing = context.write().await?;
        store::stand(&mut writing, context.system(), &standing, context.now()).await?;
        writing.commit(Recorded::nothing_changed()).await
    }
}

/// Why no job can be run, in the log.
pub(super) fn tell(error: &Error) {
    // That is said once, where it is noticed.
    if error.code() != Code::DatabaseUnavailable {
        tracing::error!(
            cause = error.cause().map(tracing::field::display),
            "jobs cannot be run: {}",
            error.detail()
        );
    }
}

/// Whether the work was done; where it was not, that is in the job's row. An error: not even that
/// could be written.
async fn run(job: &Job, due: &Due, mut task: Task) -> Result<bool> {
    let system = task.context.system();
    store::begin_work(&mut task, system).await?;
    match work(job, &mut task).await {
        Ok(worked) => settle(job, due, task, worked).await.map(|()| true),
        // Its row is as it was, and says no failure of the job's.
        Err(error) if error.code() == Code::DatabaseUnavailable => Err(error),
        Err(error) => postpone(due, task, &error).await.map(|()| false),
    }
}

async fn work(job: &Job, task: &mut Task) -> Result<Worked> {
    let worked = guarded((job.work)(task)).await?;
    checked(task).await?;
    Ok(worked)
}

/// Runs the deferred checks while the work can still be undone.
pub(super) async fn checked(task: &mut Task) -> Result<()> {
    let system = task.context.system();
    store::check_work(task, system).await
}

/// Work that panics has failed; others go on.
pub(super) async fn guarded<T>(
    mut work: Pin<Box<dyn Future<Output = Result<T>> + Send + '_>>,
) -> Result<T> {
    let polled = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(_) => Err(Error::internal("the job panicked")).into(),
    });
    polled.await
}

async fn settle(job: &Job, due: &Due, task: Task, worked: Worked) -> Result<()> {
    let (context, mut writing) = task.into_parts();
    // From when it ended, however long it took: else it would be due again at once, or go before
    // what fell due meanwhile.
    let now = context.anew().now();
    match job.every {
        _ if worked.is_in_part() => {
            store::done_until(&mut writing, context.system(), due, now).await?;
        }
        Some(every) => {
            store::done_until(&mut writing, context.system(), due, now + every).await?;
        }
        None => store::over(&mut writing, context.system(), due).await?,
    }
    writing.commit(worked.into_recorded()).await
}

/// Undoes the work, and has the job tried again.
pub(super) async fn postpone(due: &Due, task: Task, error: &Error) -> Result<()> {
    let (context, mut writing) = task.into_parts();
    // From when it failed, however long that took: else it would be due again at once.
    let context = context.anew();
    let delay = delay_after(due.failures);
    let why = error.cause().map_or_else(|| error.detail().to_owned(), ToString::to_string);
    tracing::error!(
        job = due.name,
        subject = due.subject,
        failures = due.failures + 1,
        "a job failed, and is tried again in {delay}: {why}"
    );
    store::undo_work(&mut writing, context.system()).await?;
    store::postpone(&mut writing, context.system(), due, context.now() + delay, &why).await?;
    writing.commit(Recorded::nothing_changed()).await
}

/// How long a job waits that had failed so often before.
fn delay_after(failures: i32) -> chrono::Duration {
    let doublings = u32::try_from(failures).unwrap_or_default().min(16);
    (FIRST_DELAY * 2_i32.pow(doublings)).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_an_hour() {
        let seconds: Vec<i64> = [0, 1, 2, 8, 9, i32::MAX]
            .into_iter()
            .map(|failures| delay_after(failures).num_seconds())
            .collect();
        assert_eq!(seconds, [10, 20, 40, 2560, 3600, 3600]);
    }
}
