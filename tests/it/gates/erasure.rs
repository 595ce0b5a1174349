//! Whoever is erased is nowhere any more: not in a table of the database, whatever tables there
//! are, and not in an answer that is asked for again. And what was done is not done twice.

use axum::http::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::cases::{Case, Names, Unlike};
use super::once;
use super::operations::{Operation, codes, document, operations};
use super::stage::{Approach, Ground, call, on_grounds};
use crate::harness::app::{Answer, PASSWORD};
use crate::harness::world::Person;
use crate::harness::{TestApp, World};
use crate::slices::kit::Desk;

/// Who is staged before each call.
const STAGED: [&str; 6] = ["target", "newcomer", "account", "admitted", "peer", "acted"];

/// What became of the cases.
#[derive(Debug, Default)]
struct Tally {
    /// Answers that named somebody who was erased then.
    told: usize,
    /// Effects that were asked for again, and not had again.
    repeated: usize,
}

#[test]
fn nothing_that_was_answered_outlives_who_it_tells_of() {
    let (mut told, mut repeated) = (0, 0);
    for tally in on_grounds(outlived) {
        told += tally.told;
        repeated += tally.repeated;
    }
    eprintln!("{told} answers told of somebody, {repeated} effects were asked for again");
    assert!(
        told >= 8 && repeated >= 45,
        "{told} answers told of somebody, {repeated} effects were asked for again"
    );
}

async fn outlived(ground: &Ground, operation: &Operation, case: &Case) -> Tally {
    if !once::is_kept(operation, case) || case.is(Unlike::EndsTheSession) {
        return Tally::default();
    }
    let app = &ground.world.app;
    let names = ground.stage_for(case, &ground.world.acme).await;
    // Whoever has used the mandate is told of with name and address.
    ground.sql("update memberships set first_used_at = now() where first_used_at is null").await;
    let approach = Approach { key: Some("the key"), ..ground.rightful(operation, case) };
    let first = call(app, operation, case, &names, &approach).await;
    assert_eq!(first.status.as_u16(), case.status, "{}: {}", case.title(), first.body);
    let person = &names["person"];
    let told = first.body.to_string().contains(person);
    assert_eq!(
        told,
        traces(app, person).await.contains(&"idempotent_answers".to_owned()),
        "{}: the look finds what is kept",
        case.title()
    );

    erase_all(ground, &names).await;
    assert_eq!(
        traces(app, person).await,
        [""; 0],
        "after {} something is left of {person}",
        case.title()
    );
    let before = app.digest().await;
    let again = call(app, operation, case, &names, &approach).await;
    assert!(
        !again.body.to_string().contains(person),
        "{} still answers: {}",
        case.title(),
        again.body
    );
    assert_eq!(app.digest().await, before, "{} had its effect twice", case.title());
    if told || again.status.is_client_error() {
        again.refused(410, "answer_erased");
    } else {
        assert_eq!(
            (again.header("idempotency-replayed"), &again.body),
            ("true", &first.body),
            "{}",
            case.title()
        );
    }
    ground.mend().await;
    Tally { told: usize::from(told), repeated: 1 }
}

async fn erase_all(ground: &Ground, names: &Names) {
    // A mandate that was made for them has no other admin.
    ground
        .sql(format!(
            "update mandates set deleted_at = now(), purge_at = now() + interval '30 days'
             where id <> '{}' and id in (select mandate_id from memberships where user_id = '{}')",
            names["mandate"], names["newcomer"]
        ))
        .await;
    for staged in STAGED {
        let path = format!("/api/users/{}?mode=erase", names[staged]);
        let answer =
            ground.world.app.delete(path).bearer(&ground.world.sys_admin.token).send().await;
        assert!(matches!(answer.status.as_u16(), 200 | 410), "{staged}: {}", answer.body);
    }
}

/// The tables in which a word stands: in any column, in bytes too, in any case.
async fn traces(app: &TestApp, word: &str) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('select %L where exists (select from %s t where strpos(lower(t::text),
            $1) > 0 or strpos(t::text, encode(convert_to($2, ''UTF8''), ''hex'')) > 0)',
                       relname, oid::regclass)
         from pg_class where relnamespace = 'bailiwick'::regnamespace and relkind = 'r'
           order by relname",
    )
    .fetch_all(&app.sql)
    .await
    .unwrap();
    assert!(tables.len() >= 20, "{tables:?}");
    let query = sqlx::query_scalar(AssertSqlSafe(tables.join(" union all ")))
        .bind(word.to_lowercase())
        .bind(word);
    query.fetch_all(&app.sql).await.unwrap()
}

/// The look itself: it finds a word in a text, in bytes and in JSON.
#[tokio::test]
async fn the_look_finds_a_word_wherever_it_is() {
    let app = TestApp::start().await;
    assert_eq!(traces(&app, "Walburga").await, [""; 0]);
    let rows = [
        (
            "users",
            "insert into users (id, username, username_key, last_name, created_at)
               values (gen_random_uuid(), 'a', 'a', 'WALBURGA', now())",
        ),
        (
            "idempotent_answers",
            "insert into idempotent_answers (id, fingerprint, status, headers, body, expires_at)
           values ('x', 'y', 200, '[]', 'of Walburga', now())",
        ),
        (
            "audit_events",
            r#"insert into audit_events (id, at, action, resource_type, details)
           values (gen_random_uuid(), now(), 'a_b', 'c', '{"name": "Walburga"}')"#,
        ),
    ];
    let mut expected = Vec::new();
    for (table, row) in rows {
        app.sql.execute(row).await.unwrap();
        expected.push(table.to_owned());
        expected.sort();
        assert_eq!(traces(&app, "Walburga").await, expected);
    }
}

/// An admin who edits a playbook of a member, whom a SysAdmin erases.
struct Stage {
    world: World,
    writer: Person,
    playbook: Uuid,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let acme = &world.acme;
        let writer = world.member_with(acme, "walburga", &[acme.role("user")]).await;
        world.admit(acme, writer.id, &[acme.instance_role("playbooks-editor")]).await;
        world.admit(acme, acme.admin.id, &[acme.instance_role("playbooks-admin")]).await;
        let desk = world.desk(&writer, acme).in_instance(acme.instance);
        let playbook = desk
            .post("/api/playbooks", json!({ "name": "evacuation", "title": "Title" }))
            .await
            .id();
        world
            .desk(&acme.admin, acme)
            .in_instance(acme.instance)
            .get("/api/playbooks")
            .await
            .expect(200); // notes the first use
        Self { world, writer, playbook }
    }
    fn desk(&self) -> Desk<'_> {
        self.world
            .desk(&self.world.acme.admin, &self.world.acme)
            .in_instance(self.world.acme.instance)
    }
    async fn retitle(&self, title: &str) -> Answer {
        let call = self
            .desk()
            .ask(Method::PATCH, format!("/api/playbooks/{}", self.playbook))
            .header("idempotency-key", "the key");
        call.json(json!({ "title": title })).send().await
    }
    async fn erase(&self) -> Answer {
        let call = self
            .world
            .root()
            .ask(Method::DELETE, format!("/api/users/{}?mode=erase", self.writer.id));
        call.header("idempotency-key", "the key").send().await
    }
    async fn check(&self, first: &Answer) {
        assert_eq!(
            first.body["ownerName"],
            json!("walburga"),
            "the answer was made before: {}",
            first.body
        );
        assert_eq!(traces(&self.world.app, "walburga").await, [""; 0]);
        self.retitle("New").await.refused(410, "answer_erased");
        assert_eq!(
            self.world
                .app
                .count("select count(*) from audit_events where action = 'playbook_updated'")
                .await,
            1
        );
    }
}

/// The answer was made, and is being committed, when the erasure comes and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_an_erasure_overtakes_is_not_kept() {
    let stage = Stage::new().await;
    let app = &stage.world.app;
    // Deferred: it holds the request when the handler has done everything, and commits.
    let holder = app
        .hold_with(
            "create constraint trigger hold after insert on audit_events
             deferrable initially deferred for each row
             when (new.action = 'playbook_updated') execute function hold()",
        )
        .await;
    let (first, ()) = tokio::join!(stage.retitle("New"), async {
        app.until_waiting(1).await;
        stage.erase().await.expect(200);
        crate::harness::jobs::let_go(holder).await;
    });
    stage.check(&first).await;
}

/// The answer is kept, and not yet committed, when the erasure comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_waits_for_an_answer_that_is_being_kept() {
    let stage = Stage::new().await;
    let app = &stage.world.app;
    let holder = app
        .hold_with(
            "create constraint trigger hold after insert on idempotent_answers for each row
             when (new.status = 200 and new.body <> '') execute function hold()",
        )
        .await;
    let (first, erased) = tokio::join!(stage.retitle("New"), async {
        app.until_waiting(1).await;
        let (erased, ()) = tokio::join!(stage.erase(), async {
            app.until_waiting(2).await;
            crate::harness::jobs::let_go_of(holder, "idempotent_answers").await;
        });
        erased
    });
    erased.expect(200);
    stage.check(&first).await;
}

/// What names an erased person as they are called since holds nothing, and is answered again.
#[tokio::test]
async fn answers_under_the_pseudonym_are_kept_once_the_erasure_is_settled() {
    let mut stage = Stage::new().await;
    let erased = stage.erase().await;
    assert_eq!(
        stage.erase().await.header("idempotency-replayed"),
        "true",
        "its own answer holds no name"
    );
    erased.expect(200);
    let app = stage.world.app.clone();
    app.pass(chrono::Duration::minutes(16), &mut [&mut stage.world.acme.admin]).await;
    let first = stage.retitle("New").await.expect(200);
    assert!(first["ownerName"].as_str().unwrap().starts_with("erased-"), "{first}");
    let again = stage.retitle("New").await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first));
}

/// A person's own requests, and one that names them only in its headers.
#[tokio::test]
async fn answers_to_the_requests_of_whoever_is_erased_go_too() {
    let stage = Stage::new().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let desk = world.desk(&stage.writer, acme).in_instance(acme.instance);
    let made = desk
        .ask(Method::POST, "/api/playbooks")
        .header("idempotency-key", "the key")
        .json(json!({ "name": "b", "title": "B" }));
    made.send().await.expect(201);
    let own = world
        .bare(&stage.writer)
        .ask(Method::PATCH, format!("/api/users/{}", stage.writer.id))
        .header("idempotency-key", "the key");
    own.json(json!({ "firstName": "Walburga" })).send().await.expect(200);
    let own = world
        .bare(&stage.writer)
        .ask(Method::DELETE, format!("/api/users/{}?mode=erase", stage.writer.id));
    own.header("idempotency-key", "erasing")
        .json(json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(200);
    let kept = "select count(*) from idempotent_answers where not forgotten";
    assert_eq!(world.app.count(kept).await, 1, "the erasure's own");
    assert_eq!(traces(&world.app, "walburga").await, [""; 0]);
}

/// Whom a kept answer names is read from its bytes by the database: what an older version of the
/// service writes is covered too.
#[tokio::test]
async fn the_database_reads_whom_an_answer_names() {
    let stage = Stage::new().await;
    let body = json!({
        "items": [{ "userId": stage.writer.id, "name": "walburga ☂" }], "id": Uuid::now_v7(),
    })
    .to_string();
    sqlx::query(
        "insert into idempotent_answers (id, fingerprint, status, headers, body, expires_at)
         values ('a', 'a', 200, '[]', $1, now() + interval '1 day'),
                ('b', 'b', 201, jsonb_build_array(jsonb_build_array('location',
                    '/api/users/' || $2::text)), 'walburga', now() + interval '1 day')",
    )
    .bind(body.as_bytes())
    .bind(stage.writer.id.to_string().to_uppercase())
    .execute(&stage.world.app.sql)
    .await
    .unwrap();
    stage.erase().await.expect(200);
    assert_eq!(traces(&stage.world.app, "walburga").await, [""; 0]);
}

/// A route that remembers its answers says that one may be erased.
#[tokio::test]
async fn whoever_reads_the_document_learns_that_answers_may_be_erased() {
    let remembering = operations(&document())
        .into_iter()
        .filter(|operation| operation.takes_header("Idempotency-Key"));
    for operation in remembering {
        let told = codes(&operation.value["responses"]["410"]);
        assert!(told.contains(&"answer_erased"), "{}: {told:?}", operation.id);
    }
}
