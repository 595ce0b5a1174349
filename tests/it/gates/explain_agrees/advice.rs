//! What explain says that it would take is true: whoever does it, step by step over the API, is
//! answered with yes; and no role is suggested that is held.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answers::refusal;
use super::letter;
use super::memory::Tally;
use super::stage::{Drawn, Stage, Theatre};
use super::worlds::{OPERATIONS, id};
use crate::core::tables::{MANDATE_TABLES, known};
use crate::harness::Answer;

/// Takes the advice on a question, where there is any and the overseer may act on it. Changes the
/// world.
pub async fn follow(
    theatre: &Theatre,
    stage: &Stage,
    drawn: &Drawn,
    random: &mut rand::rngs::StdRng,
    tally: &mut Tally,
) {
    let asked = &drawn.question;
    // Nobody raises themselves, and who is not let in is told nothing.
    if drawn.bare
        || asked.user == stage.overseer
        || refusal(&stage.world, &Drawn { asker: stage.overseer, ..drawn.clone() }).is_some()
    {
        return;
    }
    let explained = explained(theatre, stage, drawn).await;
    if explained["allowed"] == true {
        return;
    }
    let mut note = |what: String| *tally.entry(what.into()).or_default() += 1;
    let ways = explained["wouldNeed"]["ways"].as_array().unwrap();
    let Some(way) = ways.get(usize::from(rand::RngExt::random::<bool>(random))).or(ways.first())
    else {
        let needed =
            (0..4).find(|level| explained["wouldNeed"]["level"] == letter(*level)).unwrap();
        assert!(
            known(asked.table, asked.operation).iter().all(|level| *level < needed),
            "somebody can {drawn}: {explained}"
        );
        return note("advice: nobody can".to_owned());
    };
    let follower = Follower { theatre, stage, drawn, explained: &explained };
    for (index, step) in way["steps"].as_array().unwrap().iter().enumerate() {
        follower.take(step, way["steps"].get(index + 1), id(random)).await;
        note(format!("advice: {}", step["action"].as_str().unwrap()));
    }
    let after = self::explained(theatre, stage, drawn).await;
    assert_eq!(
        after["allowed"], true,
        "the advice on {drawn} was taken: {way}\nbefore: {explained}\nafter: {after}"
    );
}

async fn explained(theatre: &Theatre, stage: &Stage, drawn: &Drawn) -> Value {
    let asked = &drawn.question;
    let body = json!({
        "table": asked.table, "operation": OPERATIONS[asked.operation], "ownerId": asked.owner,
        "userId": asked.user,
    });
    let call = theatre
        .app
        .post("/api/access/explain")
        .bearer(&theatre.token(stage.overseer))
        .mandate(asked.mandate)
        .json(body);
    let call = if let Some(instance) = asked.instance { call.instance(instance) } else { call };
    call.send().await.expect(200)
}

struct Follower<'a> {
    theatre: &'a Theatre,
    stage: &'a Stage,
    drawn: &'a Drawn,
    explained: &'a Value,
}

impl Follower<'_> {
    async fn send(&self, method: Method, path: String, body: Value) -> Answer {
        let mandate = self.drawn.question.mandate;
        let call = self
            .theatre
            .app
            .call(method, path)
            .bearer(&self.theatre.token(self.stage.overseer))
            .mandate(mandate);
        let answer = call.json(body).send().await;
        assert!(
            answer.status.is_success(),
            "the advice on {} cannot be taken: {}\n{}",
            self.drawn,
            answer.body,
            self.explained
        );
        answer
    }

    /// The instance that counts here.
    fn instance(&self) -> Option<Uuid> {
        self.drawn
            .question
            .instance
            .filter(|_| !MANDATE_TABLES.contains(&self.drawn.question.table))
    }

    fn membership(&self) -> String {
        format!("/api/mandates/{}/users/{}", self.drawn.question.mandate, self.drawn.question.user)
    }

    fn admissions(&self) -> String {
        format!("/api/features/instances/{}/users", self.instance().unwrap())
    }

    async fn take(&self, step: &Value, next: Option<&Value>, fresh: Uuid) {
        let user = self.drawn.question.user;
        let enable = || json!({ "enabled": true });
        match step["action"].as_str().unwrap() {
            "enable_account" => {
                let path = format!("/api/users/{user}");
                self.theatre
                    .app
                    .call(Method::PATCH, path)
                    .bearer(self.theatre.root())
                    .json(enable())
                    .send()
                    .await
                    .expect(200);
                self.theatre.sign_in_again(user).await;
            }
            "enable_membership" => {
                drop(self.send(Method::PATCH, self.membership(), enable()).await);
            }
            "enable_admission" => drop(
                self.send(Method::PATCH, format!("{}/{user}", self.admissions()), enable()).await,
            ),
            "admit" => {
                let role = self.role(next.unwrap(), fresh).await;
                self.send(
                    Method::POST,
                    self.admissions(),
                    json!({ "userId": user, "roleIds": [role] }),
                )
                .await;
            }
            "give_role" => self.give(self.role(step, fresh).await).await,
            "share_group" => self.share(fresh).await,
            other => panic!("{other} in the advice on {}", self.drawn),
        }
    }

    /// The role that a step names; a new one that permits just this, where it names none.
    async fn role(&self, step: &Value, fresh: Uuid) -> Uuid {
        if let Some(role) = step["role"]["id"].as_str() {
            return role.parse().unwrap();
        }
        let (asked, level) = (&self.drawn.question, &self.explained["wouldNeed"]["level"]);
        let list = self.instance().map_or(format!("/api/mandates/{}/roles", asked.mandate), |id| {
            format!("/api/features/instances/{id}/roles")
        });
        let role =
            self.send(Method::POST, list, json!({ "label": format!("made {fresh}") })).await.id();
        let mut permitted =
            json!({ "view": true, "read": "n", "create": "n", "update": "n", "delete": "n" });
        permitted[OPERATIONS[asked.operation]] = level.clone();
        if OPERATIONS[asked.operation] != "create" {
            permitted["read"] = level.clone();
        }
        let mut tables = json!({});
        tables[asked.table] = permitted;
        self.send(
            Method::PUT,
            format!("/api/roles/{role}/permissions"),
            json!({ "tables": tables, "views": {} }),
        )
        .await;
        role
    }

    /// Beside those that are held, of which it is none, unless the step before gave it.
    async fn give(&self, role: Uuid) {
        let user = self.drawn.question.user;
        let steps = self.explained["wouldNeed"]["ways"][0]["steps"].as_array().unwrap();
        if steps.iter().any(|step| step["action"] == "admit") {
            return;
        }
        let (table, place) = if self.instance().is_some() {
            ("access_roles", "instance_id")
        } else {
            ("member_roles", "mandate_id")
        };
        let select = format!("select role_id from {table} where {place} = $1 and user_id = $2");
        let held = sqlx::query_scalar(sqlx::AssertSqlSafe(select))
            .bind(self.instance().unwrap_or(self.drawn.question.mandate))
            .bind(user);
        let mut held: Vec<Uuid> = held.fetch_all(&self.theatre.app.sql).await.unwrap();
        assert!(
            !held.contains(&role),
            "{} is told to get a role that is held: {}",
            self.drawn,
            self.explained
        );
        held.push(role);
        let path = if self.instance().is_some() {
            format!("{}/{user}/roles", self.admissions())
        } else {
            format!("{}/roles", self.membership())
        };
        self.send(Method::PUT, path, json!({ "roleIds": held })).await;
    }

    async fn share(&self, fresh: Uuid) {
        let asked = &self.drawn.question;
        let groups = format!("/api/mandates/{}/groups", asked.mandate);
        let group = self
            .send(Method::POST, groups.clone(), json!({ "name": format!("shared {fresh}") }))
            .await
            .id();
        self.send(
            Method::PUT,
            format!("{groups}/{group}/members"),
            json!({ "userIds": [asked.user, asked.owner] }),
        )
        .await;
    }
}
