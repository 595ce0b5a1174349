//! What each template role lets its holder do, table by table and operation by operation, in
//! `access_matrix.txt`: seen through `GET /api/access/me` by somebody who holds that role and no
//! other.

use std::fmt::Write as _;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::core::tables::MANDATE_TABLES;
use crate::harness::World;
use crate::harness::world::Person;

const OPERATIONS: [&str; 4] = ["read", "create", "update", "delete"];

#[tokio::test]
async fn template_roles_let_their_holders_do_what_is_written_down() {
    let world = World::new().await;
    let mut text = String::new();
    for label in ["admin", "user", "viewer"] {
        let holder = world
            .member_with(&world.acme, &format!("only-{label}"), &[world.acme.role(label)])
            .await;
        let own = own_access(&world, &holder, None).await;
        assert_eq!(own["roles"], json!([label]));
        write_role(&mut text, &format!("mandate · {label}"), &own, |table| {
            MANDATE_TABLES.contains(&table)
        });
    }
    let nothing = world.role_with(&world.acme, "nothing", json!({})).await;
    for feature in built_in(&world).await {
        let admin = &world.acme.admin;
        let body = json!({ "featureCode": feature, "label": "Matrix" });
        let instance = world
            .app
            .post("/api/features/instances")
            .bearer(&admin.token)
            .mandate(world.acme.id)
            .json(body)
            .send()
            .await
            .id();
        let path = format!("/api/features/instances/{instance}");
        let roles = world
            .app
            .get(format!("{path}/roles"))
            .bearer(&admin.token)
            .mandate(world.acme.id)
            .send()
            .await
            .expect(200);
        for role in roles["items"].as_array().unwrap() {
            let label = role["label"].as_str().unwrap();
            let holder = world.member_with(&world.acme, &format!("only-{label}"), &[nothing]).await;
            let body = json!({ "userId": holder.id, "roleIds": [role["id"]] });
            world
                .app
                .post(format!("{path}/users"))
                .bearer(&admin.token)
                .mandate(world.acme.id)
                .json(body)
                .send()
                .await
                .expect(201);
            let own = own_access(&world, &holder, Some(instance)).await;
            write_role(&mut text, &format!("{feature} · {label}"), &own, |table| {
                !MANDATE_TABLES.contains(&table)
            });
        }
    }
    super::golden::compare_golden("access_matrix", &text);
}

async fn own_access(world: &World, person: &Person, instance: Option<Uuid>) -> Value {
    let call = world.app.get("/api/access/me").bearer(&person.token).mandate(world.acme.id);
    let call = if let Some(instance) = instance { call.instance(instance) } else { call };
    call.send().await.expect(200)
}

async fn built_in(world: &World) -> Vec<String> {
    let features =
        world.app.get("/api/features").bearer(&world.acme.admin.token).send().await.expect(200);
    let built_in =
        features["items"].as_array().unwrap().iter().filter(|feature| feature["builtIn"] == true);
    built_in.map(|feature| feature["code"].as_str().unwrap().to_owned()).collect()
}

fn write_role(text: &mut String, title: &str, own: &Value, of_scope: impl Fn(&str) -> bool) {
    let _ = writeln!(text, "{title}\n  {:<20} view  read create update delete", "");
    for (table, rule) in
        own["tables"].as_object().unwrap().iter().filter(|(table, _)| of_scope(table))
    {
        let view = if rule["view"] == true { "yes" } else { "no" };
        let levels: Vec<&str> =
            OPERATIONS.iter().map(|operation| rule[operation].as_str().unwrap()).collect();
        let _ = writeln!(
            text,
            "  {table:<20} {view:<5} {:<4} {:<6} {:<6} {}",
            levels[0], levels[1], levels[2], levels[3]
        );
    }
    let views: Vec<&String> = own["views"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, allowed)| **allowed == true)
        .map(|(view, _)| view)
        .collect();
    if !views.is_empty() {
        let _ = writeln!(
            text,
            "  views: {}",
            views.iter().map(|view| view.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    text.push('\n');
}
