//! The scheduler: what fails is tried again and keeps nobody, what is not due is left alone, and
//! stopping is clean.

use std::time::Duration as Pause;

use bailiwick::context::audit::{self, Action, Event, ResourceType};
use bailiwick::context::jobs::{self, Job, Task, Worked};
use bailiwick::context::{RequestMeta, SystemContext};
use bailiwick::kernel::error::Result;
use bailiwick::platform::jobs::{Scheduler, Step};
use chrono::Duration;
use sqlx::Row;

use crate::harness::TestApp;
use crate::harness::jobs::run_due;

const STEADY: Job = Job {
    name: "steady",
    every: Some(Duration::hours(1)),
    work: |task| Box::pin(told(task, "steady")),
};
const FRAIL: Job =
    Job { name: "frail", every: Some(Duration::hours(1)), work: |task| Box::pin(frail(task)) };
const PANICS: Job =
    Job { name: "panics", every: Some(Duration::hours(1)), work: |task| Box::pin(panics(task)) };
const TOO_LATE: Job = Job {
    name: "too_late",
    every: Some(Duration::hours(1)),
    work: |task| Box::pin(refused_at_the_end(task)),
};
const ASKED: Job = Job { name: "asked", every: None, work: |task| Box::pin(about(task)) };
const ALL: &[Job] = &[FRAIL, PANICS, TOO_LATE, STEADY, ASKED];

/// That a job ran. The words of the trail are the service's; which job it was stands in the id.
fn run_of(job: &str, subject: &str) -> Event {
    Event::new(Action::LoadSeeded, ResourceType::Platform, format!("{job}:{subject}"))
}

async fn told(task: &mut Task, job: &str) -> Result<Worked> {
    let (context, subject) = (task.context.clone(), task.subject.clone());
    let recorded = audit::record_platform(task, &context, run_of(job, &subject)).await?;
    Ok(Worked::whole(recorded))
}

/// Fails for want of a table, after it has done something.
async fn frail(task: &mut Task) -> Result<Worked> {
    let worked = told(task, "frail").await?;
    sqlx::query("select 1 from wanted").execute(&mut **task).await?;
    Ok(worked)
}

async fn panics(task: &mut Task) -> Result<Worked> {
    let worked = told(task, "panics").await?;
    assert_ne!(task.subject, "", "a slip");
    Ok(worked)
}

/// A role that somebody holds cannot go; the database says so only at the end.
async fn refused_at_the_end(task: &mut Task) -> Result<Worked> {
    let worked = told(task, "too_late").await?;
    sqlx::query("delete from roles where scope = 'mandate'").execute(&mut **task).await?;
    Ok(worked)
}

/// Done in two parts.
async fn about(task: &mut Task) -> Result<Worked> {
    let (context, subject) = (task.context.clone(), task.subject.clone());
    let first = sqlx::query("select 1 from audit_events where resource_id = 'asked:' || $1")
        .bind(&subject)
        .fetch_optional(&mut **task)
        .await?
        .is_none();
    let recorded = audit::record_platform(task, &context, run_of("asked", &subject)).await?;
    Ok(if first { Worked::in_part(recorded) } else { Worked::whole(recorded) })
}

fn scheduler(app: &TestApp) -> Scheduler {
    Scheduler::new(app.app.services().clone(), ALL)
}

async fn ran(app: &TestApp, name: &str) -> i64 {
    let query = "select count(*) from audit_events where resource_id like $1 || ':%'";
    sqlx::query_scalar(query).bind(name).fetch_one(&app.sql).await.unwrap()
}

/// Failures since the last success, and the last of them.
async fn failures(app: &TestApp, name: &str) -> (i32, String) {
    let query = "select failures, coalesce(last_error, '') as last_error from jobs where name = $1";
    let row = sqlx::query(query).bind(name).fetch_one(&app.sql).await.unwrap();
    (row.get("failures"), row.get("last_error"))
}

#[tokio::test]
async fn a_job_that_fails_leaves_nothing_is_tried_again_later_and_keeps_nobody() {
    let world = crate::harness::World::new().await;
    let (app, scheduler) = (&world.app, scheduler(&world.app));
    bailiwick::kernel::telemetry::metrics_handle(); // counts from its first call on
    run_due(&scheduler).await;
    assert_eq!(ran(app, "steady").await, 1);
    for (name, why) in [("frail", "wanted"), ("panics", "panicked"), ("too_late", "member_roles")] {
        assert_eq!(ran(app, name).await, 0, "{name}: what failed is undone");
        let (failures, last) = failures(app, name).await;
        assert!(failures == 1 && last.contains(why), "{name}: {failures} {last}");
    }
    run_due(&scheduler).await;
    assert_eq!(failures(app, "frail").await.0, 1, "not at once");
    app.clock.advance(Duration::seconds(11));
    run_due(&scheduler).await;
    assert_eq!(failures(app, "frail").await.0, 2);
    app.clock.advance(Duration::seconds(6));
    run_due(&scheduler).await;
    assert_eq!(failures(app, "frail").await.0, 2, "it takes longer each time");
    sqlx::raw_sql("create table wanted (); grant select on wanted to bailiwick_system")
        .execute(&app.sql)
        .await
        .unwrap();
    app.clock.advance(Duration::seconds(15));
    run_due(&scheduler).await;
    assert_eq!((failures(app, "frail").await, ran(app, "frail").await), ((0, String::new()), 1));
    assert_eq!(ran(app, "steady").await, 1, "its hour is not over");
    let metrics = bailiwick::kernel::telemetry::render(&app.db);
    for outcome in ["failed", "done"] {
        assert!(
            metrics.contains(&format!(
                r#"bailiwick_job_runs_total{{job="frail",outcome="{outcome}"}} "#
            )),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn a_job_that_was_asked_for_runs_part_by_part_on_any_node_and_is_over() {
    let app = TestApp::start().await;
    let nodes = [scheduler(&app), scheduler(&app.another_node()), scheduler(&app.another_node())];
    let context = SystemContext::unattended(app.app.services().clone(), RequestMeta::default());
    let subjects: Vec<String> = (0..40).map(|subject| subject.to_string()).collect();
    for _ in 0..2 {
        let mut writing = context.write().await.unwrap();
        jobs::ask(
            &mut writing,
            context.system(),
            ASKED.name,
            &subjects,
            context.now() + Duration::minutes(5),
        )
        .await
        .unwrap();
        let recorded =
            audit::record_platform(&mut writing, &context, run_of("nothing", "")).await.unwrap();
        writing.commit(recorded).await.unwrap();
    }
    run_due(&nodes[0]).await;
    assert_eq!(ran(&app, "asked").await, 0, "not due");
    app.clock.advance(Duration::minutes(6));
    let [a, b, c] = &nodes;
    tokio::join!(run_due(a), run_due(b), run_due(c));
    assert_eq!(ran(&app, "asked").await, 80, "each in two parts");
    assert_eq!(app.count("select count(*) from jobs where name = 'asked'").await, 0);
}

fn pause(step: Step) -> Pause {
    match step {
        Step::Ran => panic!("something ran"),
        Step::Idle(pause) => pause,
    }
}

#[tokio::test]
async fn the_scheduler_sleeps_until_something_is_due_and_a_minute_at_most() {
    let app = TestApp::start().await;
    let scheduler = Scheduler::new(app.app.services().clone(), &[STEADY]);
    run_due(&scheduler).await;
    assert_eq!(pause(scheduler.step().await.unwrap()), Pause::from_mins(1));
    app.clock.advance(Duration::minutes(59) + Duration::seconds(30));
    let left = pause(scheduler.step().await.unwrap());
    assert!(left > Pause::from_secs(1) && left <= Pause::from_secs(30), "{left:?}");

    // What another node has in its hands is no reason to keep asking.
    app.clock.advance(Duration::minutes(1));
    #[expect(clippy::disallowed_methods, reason = "stands for another node at work")]
    let mut other = app.sql.begin().await.unwrap();
    sqlx::query("select name from jobs for update").execute(&mut *other).await.unwrap();
    assert_eq!(pause(scheduler.step().await.unwrap()), Pause::from_mins(1));
    other.rollback().await.unwrap();
    assert_eq!(scheduler.step().await.unwrap(), Step::Ran);
}

/// A row that an older or newer version of the service left is not this one's to take.
#[tokio::test]
async fn jobs_of_other_versions_wait_for_them() {
    let app = TestApp::start().await;
    sqlx::query(
        "insert into jobs (name, subject, due_at)
                   values ('unheard_of', '', now() - interval '1 day')",
    )
    .execute(&app.sql)
    .await
    .unwrap();
    run_due(&scheduler(&app)).await;
    assert_eq!(failures(&app, "unheard_of").await, (0, String::new()));
}

#[tokio::test]
async fn asked_to_stop_the_scheduler_ends_the_job_that_runs() {
    let app = TestApp::start().await;
    let scheduler = Scheduler::new(app.app.services().clone(), &[STEADY]);
    let holder = app.hold_at(Action::LoadSeeded.name()).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = scheduler.run(async {
        let _ = stopped.await;
    });
    tokio::join!(running, async {
        app.until_waiting(1).await;
        stop.send(()).unwrap();
        crate::harness::jobs::let_go(holder).await;
    });
    assert_eq!(ran(&app, "steady").await, 1);
    assert_eq!(failures(&app, "steady").await, (0, String::new()));
}
