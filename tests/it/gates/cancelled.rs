//! What a request leaves on a pooled connection: nothing. Neither one that was dropped at any
//! point, least of all while its transaction began (sqlx issue 4385 put such connections back
//! inside the transaction), nor one of another mandate.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};
use tokio::task::JoinSet;

use crate::harness::app::CONNECTIONS;
use crate::harness::world::Tenant;
use crate::harness::{Answer, TestApp, World};

/// Polls a request so many times and drops it: at once, or only when what it waited for has come.
/// `None`: dropped.
async fn dropped_after<F: Future<Output = Answer>>(
    polls: usize,
    when_woken: bool,
    request: F,
) -> Option<Answer> {
    let mut request = pin!(request);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match request.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 && !when_woken => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// One of several requests that read and write, as the system and as the tenant.
async fn some_request(
    app: &TestApp,
    tenant: &Tenant,
    sys_admin: &str,
    kind: usize,
    number: usize,
) -> Answer {
    let (by, id) = (&tenant.admin.token, tenant.id);
    let call = match kind {
        0 => app
            .post(tenant.path("/groups"))
            .bearer(by)
            .mandate(id)
            .json(json!({ "name": format!("group {number}") })),
        1 => app.get(tenant.path("/users")).bearer(by).mandate(id),
        2 => app
            .patch(tenant.path(&format!("/users/{}", tenant.member.id)))
            .bearer(by)
            .mandate(id)
            .json(json!({ "enabled": true })),
        3 => app
            .post("/api/mandates")
            .bearer(sys_admin)
            .json(json!({ "name": format!("mandate {number}") })),
        _ => app
            .patch(tenant.instance_path(""))
            .bearer(by)
            .mandate(id)
            .json(json!({ "label": format!("label {number}") })),
    };
    // Half of them could be sent again.
    if number.is_multiple_of(2) {
        call.header("idempotency-key", number).send().await
    } else {
        call.send().await
    }
}

/// The same request, until it is not one too many at the same time: a dropped one is rolled back a
/// moment later.
async fn sent_again(
    app: &TestApp,
    tenant: &Tenant,
    sys_admin: &str,
    kind: usize,
    number: usize,
) -> Answer {
    loop {
        let answer = some_request(app, tenant, sys_admin, kind, number).await;
        if answer.code() != "idempotency_in_flight" {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

/// What a connection is in when the pool hands it out.
#[derive(Debug, PartialEq, FromRow)]
struct Left {
    role: String,
    in_transaction: bool,
    writes: bool,
    read_only: String,
    settings: Vec<String>,
}

async fn left_on(connection: &mut PgConnection) -> (i32, Left) {
    // Outside a transaction, now() is the statement's own time; inside, that of its begin. (In one
    // message: bound and executed apart, a statement has two times.)
    let query = "select pg_backend_pid() as pid, current_user::text as role,
                   now() <> statement_timestamp() as in_transaction,
                        pg_current_xact_id_if_assigned() is not null as writes,
                          current_setting('transaction_read_only') as read_only,
                        array(select s || '=' || current_setting(s, true)
                              from unnest(array['app.mandate_id', 'app.instance_id', 'app.user_id',
                                  'app.had_admin']) s
                              where current_setting(s, true) <> '') as settings";
    let row = sqlx::raw_sql(query).fetch_one(connection).await.unwrap();
    (sqlx::Row::get(&row, "pid"), Left::from_row(&row).unwrap())
}

/// Takes every connection of the pool, so that none is still on its way back, and looks at each.
async fn assert_nothing_left(app: &TestApp) {
    let clean = Left {
        role: "bailiwick_runtime".to_owned(),
        in_transaction: false,
        writes: false,
        read_only: "off".to_owned(),
        settings: Vec::new(),
    };
    let mut taken = Vec::new();
    let mut backends = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = app.db.bare_connection().await.unwrap();
        let (backend, left) = left_on(&mut connection).await;
        assert_eq!(left, clean);
        backends.push(backend);
        taken.push(connection);
    }
    let states = "select state from pg_stat_activity where pid = any($1) and state <> 'idle'
                  union all select state from pg_stat_activity where datname = current_database()
                    and state like 'idle in transaction%'";
    let busy: Vec<String> =
        sqlx::query_scalar(states).bind(backends).fetch_all(&app.sql).await.unwrap();
    assert!(busy.is_empty(), "{busy:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_dropped_anywhere_leaves_nothing_behind() {
    let world = World::new().await;
    let mut lanes = JoinSet::new();
    for lane in 0..12 {
        let world = world.clone();
        lanes.spawn(async move {
            let mut random = StdRng::seed_from_u64(lane);
            let tenant = if lane % 2 == 0 { &world.acme } else { &world.globex };
            let (mut dropped, mut answered, mut replayed) = (0, 0, 0);
            for round in 0..60 {
                let number = usize::try_from(lane).unwrap() * 1_000 + round;
                let kind = random.random_range(0..5);
                let request =
                    some_request(&world.app, tenant, &world.sys_admin.token, kind, number);
                // A busy machine is asked less often: the early moments must not be missed there,
                // nor the late ones elsewhere.
                let polls = if random.random() {
                    random.random_range(1..24)
                } else {
                    random.random_range(1..8)
                };
                match dropped_after(polls, random.random(), request).await {
                    None => dropped += 1,
                    Some(answer) => {
                        assert!(answer.status.is_success(), "{}", answer.body);
                        answered += 1;
                    }
                }
                if kind == 0 && number.is_multiple_of(2) {
                    // Had it had its effect without its answer, the name would be taken.
                    let again =
                        sent_again(&world.app, tenant, &world.sys_admin.token, kind, number).await;
                    assert_eq!(again.status.as_u16(), 201, "{}", again.body);
                    replayed += usize::from(again.header("idempotency-replayed") == "true");
                }
            }
            (dropped, answered, replayed)
        });
    }
    let counts = lanes.join_all().await;
    let sum = |count: fn(&(usize, usize, usize)) -> usize| counts.iter().map(count).sum::<usize>();
    let (dropped, answered, replayed) =
        (sum(|count| count.0), sum(|count| count.1), sum(|count| count.2));
    eprintln!(
        "dropped: {dropped}, answered: {answered}, answered again from what was kept: {replayed}"
    );
    assert!(
        dropped > 150 && answered > 50 && replayed > 5,
        "dropped: {dropped}, answered: {answered}, replayed: {replayed}"
    );
    assert_nothing_left(&world.app).await;
    assert_all_or_nothing(&world.app).await;
}

/// Dropped or not, what was written has its event, and what has an event was written.
async fn assert_all_or_nothing(app: &TestApp) {
    let groups = app.count("select count(*) from groups where name like 'group %'").await;
    assert_eq!(
        groups,
        app.count("select count(*) from audit_events where action = 'group_created'").await
    );
    let mandates = app.count("select count(*) from mandates where name like 'mandate %'").await;
    let told = "select count(distinct resource_id) from audit_events e
                  where action = 'mandate_created'
                and exists (select 1 from mandates m where m.id::text = e.resource_id
                    and m.name like 'mandate %')";
    assert_eq!(mandates, app.count(told).await);
    assert!(groups > 0 && mandates > 0);
}

/// The lists of a mandate that say whose connection it was.
const LISTS: [&str; 4] = ["/users", "/groups", "/roles", "/audit"];

async fn listed(app: &TestApp, tenant: &Tenant, list: &str) -> Value {
    app.get(tenant.path(list))
        .bearer(&tenant.admin.token)
        .mandate(tenant.id)
        .send()
        .await
        .expect(200)["items"]
        .clone()
}

async fn instances(app: &TestApp, tenant: &Tenant) -> Value {
    app.get("/api/features/instances")
        .bearer(&tenant.admin.token)
        .mandate(tenant.id)
        .send()
        .await
        .expect(200)["items"]
        .clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_used_by_two_mandates_in_turn_never_shows_the_others_rows() {
    let world = World::new().await;
    let narrow = world.app.another_node_with_one_connection();
    let tenants = [&world.acme, &world.globex];
    let mut expected = Vec::new();
    for tenant in tenants {
        let mut lists = Vec::new();
        for list in LISTS {
            lists.push(listed(&world.app, tenant, list).await);
        }
        lists.push(instances(&world.app, tenant).await);
        assert!(lists.iter().all(|items| !items.as_array().unwrap().is_empty()));
        expected.push(lists);
    }
    assert!(
        (0..LISTS.len()).all(|index| expected[0][index] != expected[1][index]),
        "the twins must be told apart"
    );
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..120 {
        let (own, other) = (round % 2, 1 - round % 2);
        let list = random.random_range(0..=LISTS.len());
        let seen = if list < LISTS.len() {
            listed(&narrow, tenants[own], LISTS[list]).await
        } else {
            instances(&narrow, tenants[own]).await
        };
        assert_eq!(seen, expected[own][list], "round {round}");
        let path = tenants[other].path("/users");
        let request =
            narrow.get(path).bearer(&tenants[other].admin.token).mandate(tenants[other].id).send();
        dropped_after(random.random_range(1..8), random.random(), request).await;
    }
    assert_eq!(narrow.db.pool_size().0, 1, "one connection did all of it");
}
