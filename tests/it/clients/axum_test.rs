//! The guard of docs/clients.md at work: a small application on a socket of its own, before the
//! real service on another.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::{Method, StatusCode};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::axum_guard::Bailiwick;
use super::axum_helpdesk::{Helpdesk, TABLE, routes};
use crate::harness::app::uuid;
use crate::harness::cluster::empty_database;
use crate::harness::world::{Person, Tenant, rules};
use crate::harness::{Answer, TestApp, World};

/// Acme has two help desks and Globex one. Acme's member is an agent in all three: reads the
/// tickets of their groups, changes their own. All tickets are in one table.
struct Stage {
    world: World,
    /// Acme's.
    instance: Uuid,
    /// Acme's second one.
    second: Uuid,
    /// Globex's.
    foreign: Uuid,
    stranger: Person,
    helpdesk: String,
    sql: PgPool,
}

impl Stage {
    async fn set() -> Self {
        Self::before(TestApp::start().await).await
    }

    async fn before(app: TestApp) -> Self {
        let world = World::in_app(app).await;
        let root = world.root();
        root.post("/api/features", json!({ "code": "helpdesk", "tables": ["tickets"] }))
            .await
            .expect(201);
        for (label, read, update) in
            [("agent", "g", "m"), ("lead", "a", "a"), ("customer", "m", "m")]
        {
            let made = root
                .post(
                    "/api/features/templates/roles",
                    json!({ "featureCode": "helpdesk", "roleLabel": label }),
                )
                .await;
            let tables = rules(&json!({ "tickets": [read, "m", update, "n"] }));
            root.put(format!("/api/roles/{}/permissions", made.id()), json!({ "tables": tables }))
                .await
                .expect(200);
        }
        let member = world.acme.member.id;
        let joining = json!({ "targetUserId": member, "roleIds": [world.globex.role("user")] });
        world
            .desk(&world.globex.admin, &world.globex)
            .post(world.globex.path("/users"), joining)
            .await
            .expect(201);
        let [instance, second] = [
            opened(&world, &world.acme, "First").await,
            opened(&world, &world.acme, "Second").await,
        ];
        let foreign = opened(&world, &world.globex, "Theirs").await;
        for (tenant, instance) in
            [(&world.acme, instance), (&world.acme, second), (&world.globex, foreign)]
        {
            admitted(&world, tenant, instance, member, "agent").await;
        }
        let stranger = world.stranger("stranger").await;
        let (helpdesk, sql) = helpdesk(&world.app.listen().await).await;
        let stage = Self { world, instance, second, foreign, stranger, helpdesk, sql };
        for owner in [member, stage.world.acme.admin.id, stage.stranger.id] {
            stage.ticket(stage.world.acme.id, instance, owner).await;
        }
        stage
    }

    /// A ticket, as it stands in the application's own database.
    async fn ticket(&self, mandate: Uuid, instance: Uuid, owner: Uuid) -> Uuid {
        let made = "insert into tickets (mandate, instance, owner, text)
                      values ($1, $2, $3, 'It does not print') returning id";
        sqlx::query_scalar(made)
            .bind(mandate)
            .bind(instance)
            .bind(owner)
            .fetch_one(&self.sql)
            .await
            .unwrap()
    }

    async fn ticket_of(&self, owner: Uuid) -> Uuid {
        let found = "select id from tickets where owner = $1 and instance = $2";
        sqlx::query_scalar(found)
            .bind(owner)
            .bind(self.instance)
            .fetch_one(&self.sql)
            .await
            .unwrap()
    }

    /// Calls the application as somebody in Acme's help desk.
    async fn call(&self, person: &Person, method: Method, path: &str) -> Answer {
        self.call_in((self.world.acme.id, self.instance), person, method, path).await
    }

    async fn call_in(
        &self,
        (mandate, instance): (Uuid, Uuid),
        person: &Person,
        method: Method,
        path: &str,
    ) -> Answer {
        let request = reqwest::Client::new()
            .request(method, format!("{}{path}", self.helpdesk))
            .bearer_auth(&person.token)
            .body("text");
        let request = request.header("X-Mandate-Id", mandate.to_string());
        sent(request.header("X-Instance-Id", instance.to_string())).await
    }

    async fn owners_listed_to(&self, person: &Person) -> BTreeMap<Uuid, usize> {
        let listed = self.call(person, Method::GET, "/tickets").await.expect(200);
        let mut owners = BTreeMap::new();
        listed
            .as_array()
            .unwrap()
            .iter()
            .for_each(|ticket| *owners.entry(uuid(&ticket["owner"])).or_default() += 1);
        owners
    }

    /// The texts of all tickets, whoever's they are.
    async fn texts(&self) -> Vec<String> {
        sqlx::query_scalar("select text from tickets").fetch_all(&self.sql).await.unwrap()
    }
}

async fn opened(world: &World, tenant: &Tenant, label: &str) -> Uuid {
    world
        .desk(&tenant.admin, tenant)
        .post("/api/features/instances", json!({ "featureCode": "helpdesk", "label": label }))
        .await
        .id()
}

async fn admitted(world: &World, tenant: &Tenant, instance: Uuid, user: Uuid, role: &str) {
    let roles = world
        .desk(&tenant.admin, tenant)
        .get(format!("/api/features/instances/{instance}/roles"))
        .await
        .expect(200);
    let role =
        roles["items"].as_array().unwrap().iter().find(|found| found["label"] == role).unwrap();
    let admission = json!({ "userId": user, "roleIds": [role["id"]] });
    world
        .desk(&tenant.admin, tenant)
        .post(format!("/api/features/instances/{instance}/users"), admission)
        .await
        .expect(201);
}

/// The application, with a database of its own.
async fn helpdesk(bailiwick: &str) -> (String, PgPool) {
    let sql = PgPool::connect_with(empty_database().await).await.unwrap();
    sql.execute(TABLE).await.unwrap();
    let bailiwick = Bailiwick::at(bailiwick).unwrap();
    (serve(routes(Helpdesk { bailiwick, sql: sql.clone() })).await, sql)
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn sent(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

#[tokio::test]
async fn callers_reach_what_their_level_reaches() {
    let stage = Stage::set().await;
    let (member, admin, stranger) =
        (&stage.world.acme.member, &stage.world.acme.admin, &stage.stranger);
    assert_eq!(
        stage.owners_listed_to(member).await,
        [(member.id, 1), (admin.id, 1)].into(),
        "`g`: whoever is in a group of theirs"
    );
    stage.call(member, Method::POST, "/tickets").await.expect(201);
    assert_eq!(
        stage.owners_listed_to(member).await,
        [(member.id, 2), (admin.id, 1)].into(),
        "who opens a ticket owns it"
    );

    admitted(&stage.world, &stage.world.acme, stage.instance, admin.id, "lead").await;
    assert_eq!(
        stage.owners_listed_to(admin).await,
        [(member.id, 2), (admin.id, 1), (stranger.id, 1)].into(),
        "`a`: everybody's"
    );
    let theirs = format!("/tickets/{}", stage.ticket_of(stranger.id).await);
    stage.call(admin, Method::PUT, &theirs).await.expect(204);
    assert_eq!(stage.call(admin, Method::GET, &theirs).await.expect(200)["text"], "text");

    let customer = stage
        .world
        .member_with(&stage.world.acme, "customer", &[stage.world.acme.role("user")])
        .await;
    admitted(&stage.world, &stage.world.acme, stage.instance, customer.id, "customer").await;
    assert_eq!(stage.owners_listed_to(&customer).await, [].into(), "`m`: their own");
    stage.call(&customer, Method::POST, "/tickets").await.expect(201);
    assert_eq!(stage.owners_listed_to(&customer).await, [(customer.id, 1)].into());
}

/// The same person, with the same role, in two mandates and in two instances of one: what decides
/// is where the row is.
#[tokio::test]
async fn rows_of_other_mandates_and_instances_are_unknown() {
    let stage = Stage::set().await;
    let (acme, globex, member) =
        (stage.world.acme.id, stage.world.globex.id, &stage.world.acme.member);
    admitted(&stage.world, &stage.world.acme, stage.instance, stage.world.acme.admin.id, "lead")
        .await;
    let here = (acme, stage.instance);
    for elsewhere in [(acme, stage.second), (globex, stage.foreign)] {
        let (there, ours) = (
            stage.ticket(elsewhere.0, elsewhere.1, member.id).await,
            stage.ticket_of(member.id).await,
        );
        for person in [member, &stage.world.acme.admin] {
            let listed = stage.call_in(here, person, Method::GET, "/tickets").await.expect(200);
            assert!(!listed.to_string().contains(&there.to_string()), "{listed}");
        }
        let listed = stage.call_in(elsewhere, member, Method::GET, "/tickets").await.expect(200);
        assert_eq!(
            listed,
            json!([{ "id": there, "owner": member.id, "text": "It does not print" }])
        );
        for (place, id) in [(here, there), (elsewhere, ours), (here, Uuid::new_v4())] {
            for method in [Method::GET, Method::PUT] {
                stage
                    .call_in(place, member, method, &format!("/tickets/{id}"))
                    .await
                    .refused(404, "not_found");
            }
        }
        sqlx::query("delete from tickets where id = $1")
            .bind(there)
            .execute(&stage.sql)
            .await
            .unwrap();
    }
    assert!(
        stage.texts().await.iter().all(|text| text == "It does not print"),
        "nobody wrote across"
    );
}

#[tokio::test]
async fn what_is_seen_and_not_allowed_is_a_clear_403() {
    let stage = Stage::set().await;
    let (member, admin) = (&stage.world.acme.member, &stage.world.acme.admin);
    let refused = stage
        .call(member, Method::PUT, &format!("/tickets/{}", stage.ticket_of(admin.id).await))
        .await;
    refused.refused(403, "permission_denied");
    assert_eq!(refused.body["detail"], "You may not update this in `tickets`.");
    assert_eq!(refused.header(CONTENT_TYPE.as_str()), "application/problem+json");
    let unseen = format!("/tickets/{}", stage.ticket_of(stage.stranger.id).await);
    stage.call(member, Method::PUT, &unseen).await.refused(404, "not_found");
    let own = format!("/tickets/{}", stage.ticket_of(member.id).await);
    stage.call(member, Method::PUT, &own).await.expect(204);
    assert_eq!(stage.call(member, Method::GET, &own).await.expect(200)["text"], "text");
}

#[tokio::test]
async fn refusals_of_bailiwick_are_passed_on() {
    let stage = Stage::set().await;
    let signed_out = sent(reqwest::Client::new().get(format!("{}/tickets", stage.helpdesk))).await;
    signed_out.refused(401, "unauthenticated");
    assert_eq!(signed_out.header(WWW_AUTHENTICATE.as_str()), r#"Bearer realm="bailiwick""#);
    assert_eq!(
        (signed_out.header(CONTENT_TYPE.as_str()), &signed_out.body["status"]),
        ("application/problem+json", &json!(401))
    );
    stage
        .call(&stage.stranger, Method::GET, "/tickets")
        .await
        .refused(403, "mandate_access_denied");
    stage
        .call(&stage.world.acme.admin, Method::GET, "/tickets")
        .await
        .refused(403, "instance_access_denied");
    let nowhere = reqwest::Client::new()
        .get(format!("{}/tickets", stage.helpdesk))
        .bearer_auth(&stage.world.acme.member.token);
    sent(nowhere).await.refused(400, "mandate_context_missing");
    let in_acme = reqwest::Client::new()
        .get(format!("{}/tickets", stage.helpdesk))
        .bearer_auth(&stage.world.acme.member.token);
    sent(in_acme.header("X-Mandate-Id", stage.world.acme.id.to_string()))
        .await
        .refused(400, "instance_context_missing");
    // An instance of one mandate is none of another.
    let across = (stage.world.globex.id, stage.instance);
    stage
        .call_in(across, &stage.world.acme.member, Method::GET, "/tickets")
        .await
        .refused(403, "instance_access_denied");
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_gone_with_the_next_request() {
    let stage = Stage::set().await;
    let member = &stage.world.acme.member;
    stage.call(member, Method::GET, "/tickets").await.expect(200);
    stage
        .world
        .admin()
        .delete(format!("/api/features/instances/{}/users/{}", stage.instance, member.id))
        .await
        .expect(204);
    stage.call(member, Method::GET, "/tickets").await.refused(403, "instance_access_denied");
}

#[tokio::test]
async fn too_many_questions_are_a_429_that_says_when_to_come_again() {
    let settings = [("BAILIWICK_RATE_LIMIT_CHECK", "2")];
    let others = ["READ", "WRITE", "AUTH", "MEMBER_WRITE", "LIST_MANDATES"]
        .map(|class| (format!("BAILIWICK_RATE_LIMIT_{class}"), "1000"));
    let settings: Vec<_> = settings
        .into_iter()
        .chain(others.iter().map(|(name, value)| (name.as_str(), *value)))
        .collect();
    let stage = Stage::before(TestApp::start_with(&settings).await).await;
    stage.owners_listed_to(&stage.world.acme.member).await;
    let refused = stage.call(&stage.world.acme.member, Method::GET, "/tickets").await;
    refused.refused(429, "too_many_requests");
    assert!(refused.header(RETRY_AFTER.as_str()).parse::<u32>().is_ok(), "{:?}", refused.headers);
}

#[tokio::test]
async fn nothing_is_allowed_while_bailiwick_cannot_tell() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    // Takes connections, and never answers.
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", hangs.local_addr().unwrap());
    let broken =
        serve(Router::new().fallback(|| async { StatusCode::INTERNAL_SERVER_ERROR })).await;
    let senseless = serve(Router::new().fallback(|| async { r#"{"results": []}"# })).await;
    for bailiwick in [nobody, silent, broken, senseless] {
        let (helpdesk, _) = helpdesk(&bailiwick).await;
        let refused = sent(reqwest::Client::new().get(format!("{helpdesk}/tickets"))).await;
        refused.refused(503, "access_unknown");
        assert_eq!(refused.header(CONTENT_TYPE.as_str()), "application/problem+json");
    }
}
