//! The scheduler in tests: run by hand, on as many nodes as wanted, until nothing is due.

use std::sync::Arc;

use bailiwick::assembly::{ERRANDS, JOBS};
use bailiwick::context::Services;
use bailiwick::http::app::App;
use bailiwick::kernel::clock::ShiftedClock;
use bailiwick::kernel::db::Database;
use bailiwick::platform::jobs::{Courier, Scheduler, Step};
use chrono::Duration;
use sqlx::Executor;

use super::TestApp;
use super::held::so_many_wait;
use super::world::Person;

/// Runs what is due, and what is within a moment: of several nodes, one that looks at a job in the
/// instant in which another makes it due again finds it due just after its own time, and keeps
/// others from it until its transaction ends.
pub async fn run_due(scheduler: &Scheduler) {
    let moment = std::time::Duration::from_secs(1);
    loop {
        match scheduler.step().await.unwrap() {
            Step::Ran => {}
            Step::Idle(pause) if pause < moment => {}
            Step::Idle(_) => return,
        }
    }
}

impl TestApp {
    /// A node's scheduler, with the jobs of the service.
    pub fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.app.services().clone(), JOBS)
    }

    /// A node's courier, with the errands of the service.
    pub fn courier(&self) -> Courier<App> {
        Courier::new(self.app.clone(), self.app.services().clone(), ERRANDS)
    }

    pub async fn run_errands(&self) {
        let courier = self.courier();
        while courier.step().await.unwrap() {}
    }

    /// The scheduler of a node whose clock is ahead.
    pub fn scheduler_ahead(&self, by: Duration) -> Scheduler {
        let clock = ShiftedClock::shared();
        clock.advance(by);
        Scheduler::new(
            Services::new(Database::lazy(&self.options, 4), Arc::clone(&clock) as _),
            JOBS,
        )
    }

    pub async fn run_jobs(&self) {
        run_due(&self.scheduler()).await;
    }

    /// Time passes; tokens do not live that long.
    pub async fn pass(&self, time: Duration, people: &mut [&mut Person]) {
        self.clock.advance(time);
        for person in people {
            person.token = self.sign_in(&person.name).await;
        }
    }

    /// Makes whoever writes an event of this action wait for [`let_go`].
    pub async fn hold_at(
        &self,
        action: &'static str,
    ) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
        let trigger = "create trigger hold before insert on audit_events for each row";
        self.hold_with(format!("{trigger} when (new.action = '{action}') execute function hold()"))
            .await
    }

    /// The same with a trigger of one's own, called `hold`, that executes the function `hold()`.
    pub async fn hold_with(
        &self,
        trigger: impl Into<String>,
    ) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
        let mut holder = self.sql.acquire().await.unwrap();
        holder.execute("select pg_advisory_lock(4711)").await.unwrap();
        holder
            .execute(sqlx::raw_sql(
                "create function hold() returns trigger language plpgsql as $$
                 begin perform pg_advisory_xact_lock(4711); return new; end $$;
                 grant execute on function hold() to public",
            ))
            .await
            .unwrap();
        holder.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(trigger.into()))).await.unwrap();
        holder
    }

    /// Until so many transactions of this database wait for a lock.
    pub async fn until_waiting(&self, wanted: i64) {
        so_many_wait(&self.sql, wanted).await;
    }
}

/// Whoever was held goes on, and nobody is held any more.
pub async fn let_go(holder: sqlx::pool::PoolConnection<sqlx::Postgres>) {
    let_go_of(holder, "audit_events").await;
}

/// The same where the trigger is on another table.
pub async fn let_go_of(mut holder: sqlx::pool::PoolConnection<sqlx::Postgres>, table: &str) {
    holder.execute("select pg_advisory_unlock(4711)").await.unwrap();
    holder
        .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop trigger hold on {table}"))))
        .await
        .unwrap();
}
