//! Every mutation leaves exactly one event in each trail that it touches, in its own transaction;
//! reads and refusals leave none; events name nobody; and nobody rewrites them.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::cases::{Case, Trail};
use super::operations::{Operation, document, operations};
use super::stage::{Approach, Ground, call, on_grounds};
use crate::harness::app::{Answer, PASSWORD, uuid};
use crate::harness::{TestApp, World};

#[test]
fn every_mutation_leaves_one_event_in_each_trail_that_it_touches() {
    let told: usize = on_grounds(covered).into_iter().sum();
    assert!(told >= 60, "only {told} events were looked at");
}

/// How many events there are.
async fn events(ground: &Ground) -> i64 {
    ground.world.app.count("select count(*) from audit_events").await
}

async fn newest(ground: &Ground, after: i64) -> Vec<Value> {
    let query = "select to_jsonb(e) from audit_events e order by e.id offset $1";
    sqlx::query_scalar(query).bind(after).fetch_all(&ground.world.app.sql).await.unwrap()
}

async fn covered(ground: &Ground, operation: &Operation, case: &Case) -> usize {
    let (world, acme) = (&ground.world, ground.world.acme.id);
    let for_sys = case.sys_only || operation.is_for_sys_admins();
    let mut told = 0;
    if !for_sys {
        let admin = Approach::of(&world.acme.admin).in_mandate(acme);
        told += succeeded(ground, operation, case, &admin, case.trail).await;
    }
    let reaches_all = case.mentions("mandate") || case.mentions("instance");
    if for_sys || (operation.admits("sysAdmin") && reaches_all) {
        told +=
            succeeded(ground, operation, case, &Approach::of(&world.sys_admin), case.trail_of_sys)
                .await;
    }
    if !operation.is_public() {
        refused(ground, operation, case).await;
    }
    told
}

async fn succeeded(
    ground: &Ground,
    operation: &Operation,
    case: &Case,
    approach: &Approach,
    trail: Trail,
) -> usize {
    let names = ground.stage_for(case, &ground.world.acme).await;
    let before = events(ground).await;
    let answer = call(&ground.world.app, operation, case, &names, approach).await;
    assert_eq!(answer.status.as_u16(), case.status, "{}: {}", case.title(), answer.body);
    let told = newest(ground, before).await;
    let (platform, mandates) = match trail {
        Trail::Nowhere => (0, 0),
        Trail::Mandate => (0, 1),
        Trail::Platform => (1, 0),
        Trail::Both => (1, 1),
    };
    let of_platform = told.iter().filter(|event| event["mandate_id"].is_null()).count();
    assert_eq!(
        (of_platform, told.len() - of_platform),
        (platform, mandates),
        "{}: {told:#?}",
        case.title()
    );
    let person = names["person"].as_str();
    for event in &told {
        let text = event.to_string();
        for name in [person, "@example.com", "acme-admin", "acme-member", "\"root\"", "walker"] {
            assert!(!text.contains(name), "{} names somebody: {text}", case.title());
        }
        assert_eq!(event["request_id"], answer.header("x-request-id"), "{}", case.title());
        let by = &ground.world;
        let actors =
            [by.acme.admin.id, by.sys_admin.id, by.acme.member.id].map(|id| id.to_string());
        // Who holds a token that was mailed acts on their own account.
        let holder = operation.is_public() && event["actor_id"] == event["target_user_id"];
        assert!(
            holder && !event["actor_id"].is_null()
                || actors.iter().any(|actor| event["actor_id"] == **actor),
            "{}: {text}",
            case.title()
        );
        assert!(event["action"].as_str().is_some_and(|action| action.contains('_')), "{text}");
    }
    ground.mend().await;
    told.len()
}

async fn refused(ground: &Ground, operation: &Operation, case: &Case) {
    let acme = ground.world.acme.id;
    let names = ground.stage_for(case, &ground.world.acme).await;
    let before = events(ground).await;
    let mut approaches = vec![Approach::nobody().in_mandate(acme)];
    if !operation.tables().is_empty() {
        approaches.push(Approach::of(&ground.stranger).in_mandate(acme));
        approaches.push(ground.walker_at_n(case, &names).await);
    }
    for approach in approaches {
        let answer = call(&ground.world.app, operation, case, &names, &approach).await;
        assert!(answer.status.is_client_error(), "{}: {}", case.title(), answer.status);
    }
    assert_eq!(events(ground).await, before, "{} was refused and told of", case.title());
}

/// What is done to the account of a member, and by which operation.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Disable,
    Enable,
    Erase,
    EraseOneself,
    Readdress,
    Flag,
    Rename,
    SignOut,
    SignOutThere,
    WantAddress,
    OfferReset,
}

const DEEDS: [(&str, Deed); 11] = [
    ("update_user", Deed::Disable),
    ("update_user", Deed::Enable),
    ("update_user", Deed::Readdress),
    ("update_user", Deed::Flag),
    ("update_user", Deed::Rename),
    ("erase_user", Deed::Erase),
    ("erase_user", Deed::EraseOneself),
    ("end_user_sessions", Deed::SignOut),
    ("end_user_session", Deed::SignOutThere),
    ("request_email_change", Deed::WantAddress),
    ("offer_password_reset", Deed::OfferReset),
];

impl Deed {
    /// Whether the account starts or stops to count, or somebody else may come into it, which is
    /// every mandate's affair; the rest is the platform's alone.
    fn concerns_mandates(self) -> bool {
        matches!(
            self,
            Deed::Disable | Deed::Enable | Deed::Erase | Deed::EraseOneself | Deed::OfferReset
        )
    }

    async fn done(self, world: &World, user: Uuid, own: &str) -> Answer {
        let (app, root, path) = (&world.app, &world.sys_admin.token, format!("/api/users/{user}"));
        let change = |body: Value| app.patch(path.clone()).bearer(root).json(body);
        let erase = || app.delete(format!("{path}?mode=erase"));
        let call = match self {
            Deed::Disable => change(json!({ "enabled": false })),
            Deed::Enable => change(json!({ "enabled": true })),
            Deed::Readdress => change(json!({ "email": "elsewhere@example.com" })),
            Deed::Flag => change(json!({ "isSysAdmin": true })),
            Deed::Rename => {
                app.patch(path.clone()).bearer(own).json(json!({ "firstName": "Other" }))
            }
            Deed::Erase => erase().bearer(root),
            Deed::SignOut => app.delete(format!("{path}/sessions")).bearer(root),
            Deed::SignOutThere => {
                let me = app.get("/api/auth/me").bearer(own).send().await.expect(200);
                let session = uuid(&me["session"]["id"]);
                app.delete(format!("{path}/sessions/{session}")).bearer(root)
            }
            Deed::WantAddress => {
                let wanted = json!({ "email": "wanted@example.com" });
                app.post(format!("{path}/email")).bearer(own).json(wanted)
            }
            Deed::OfferReset => app.post(format!("{path}/password-reset")).bearer(root),
            Deed::EraseOneself => erase().bearer(own).json(json!({ "password": PASSWORD })),
        };
        call.send().await
    }
}

/// Whatever state a mandate is in, its trail tells of its members' accounts: a disabled one is
/// enabled again, a deleted one restored, and either way somebody asks what became of them
/// meanwhile.
#[tokio::test]
async fn the_trail_of_a_disabled_or_deleted_mandate_misses_nothing_of_its_members() {
    let ways = operations(&document())
        .into_iter()
        .filter(|operation| operation.has_effect() && operation.path.starts_with("/api/users/{"));
    for operation in ways {
        assert!(
            DEEDS.iter().any(|(known, _)| *known == operation.id),
            "{} is new: add what it does to an account",
            operation.id
        );
    }
    let world = World::new().await;
    let (app, root) = (&world.app, &world.sys_admin.token);
    let hooli = world.another_tenant("Hooli", &world.stranger("hooli-admin").await).await;
    let tenants = [&world.acme, &world.globex, &hooli];
    let mut people = Vec::new();
    for (_, deed) in DEEDS {
        let person = world
            .member_with(
                &world.acme,
                &format!("{deed:?}").to_lowercase(),
                &[world.acme.role("user")],
            )
            .await;
        for tenant in &tenants[1..] {
            let body = json!({ "targetUserId": person.id, "roleIds": [tenant.role("viewer")] });
            app.post(tenant.path("/users")).bearer(root).json(body).send().await.expect(201);
        }
        people.push((deed, person));
    }
    app.patch(world.globex.path(""))
        .bearer(root)
        .json(json!({ "enabled": false }))
        .send()
        .await
        .expect(200);
    app.delete(hooli.path("")).bearer(root).send().await.expect(200);
    sqlx::query("update users set enabled = false where username = 'enable'")
        .execute(&app.sql)
        .await
        .unwrap();
    let mut mandates = tenants.map(|tenant| json!(tenant.id));
    mandates.sort_by_key(ToString::to_string);
    for (deed, person) in people {
        let before = app.count("select count(*) from audit_events").await;
        let answer = deed.done(&world, person.id, &person.token).await;
        assert!(answer.status.is_success(), "{deed:?}: {}", answer.body);
        let query = "select coalesce(to_jsonb(e.mandate_id), 'null')
                       from (select * from audit_events order by id offset $1) e
                       order by mandate_id";
        let told: Vec<Value> =
            sqlx::query_scalar(query).bind(before).fetch_all(&app.sql).await.unwrap();
        let expected: Vec<Value> = mandates
            .iter()
            .filter(|_| deed.concerns_mandates())
            .cloned()
            .chain([Value::Null])
            .collect();
        assert_eq!(told, expected, "{deed:?}");
    }
}

#[tokio::test]
async fn nobody_rewrites_the_trail() {
    let app = TestApp::start().await;
    let before = app.count("select count(*) from audit_events").await;
    assert!(before > 0);
    let statements = [
        "update audit_events set action = 'nothing'",
        "delete from audit_events",
        "truncate audit_events",
    ];
    let session: String =
        sqlx::query_scalar("select session_user::text").fetch_one(&app.sql).await.unwrap();
    for role in [
        session.as_str(),
        "bailiwick_owner",
        "bailiwick_system",
        "bailiwick_tenant",
        "bailiwick_runtime",
    ] {
        for statement in statements {
            let mut connection = app.sql.acquire().await.unwrap();
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(format!("set role \"{role}\""))))
                .await
                .unwrap();
            let outcome = connection.execute(statement).await;
            connection.execute("reset role").await.unwrap();
            let error = outcome.expect_err(statement);
            let state = error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code)
                .unwrap_or_default()
                .into_owned();
            assert_eq!(state, "42501", "{role}: {statement}: {error}");
        }
    }
    assert_eq!(app.count("select count(*) from audit_events").await, before);
}
