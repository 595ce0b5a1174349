//! The platform as it is installed: a few accounts, and the features and templates that come with
//! the service. Those of mandates are as README.md words them; what features bring is read from the
//! service once.

use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use super::prelude::PEOPLE;
use super::shape;
use super::world::{Event, Feature, Role, Texts, User, World};
use crate::harness::TestApp;
use crate::harness::app::PASSWORD;

const FEATURES: &str =
    "select code, label, icon, tables, views, built_in, version from features order by code";
const TEMPLATES: &str = "select id, feature_code, label, description, protected, version,
                           jsonb_build_object('tables', role_tables(id), 'views',
                               role_view_flags(id)) as permissions
                         from roles where mandate_id is null order by id";

impl World {
    pub async fn as_installed(app: &TestApp) -> Self {
        let mut world = Self::default();
        for (index, name) in PEOPLE.into_iter().enumerate() {
            world.users.push(person(app.account(name, index < 2).await, name, index < 2));
        }
        for row in sqlx::query(FEATURES).fetch_all(&app.sql).await.unwrap() {
            let label: Json<Texts> = row.get("label");
            world.features.push(Feature {
                code: row.get("code"),
                label: label.0,
                icon: row.get("icon"),
                tables: row.get("tables"),
                views: row.get("views"),
                built_in: row.get("built_in"),
                version: row.get("version"),
            });
        }
        for row in sqlx::query(TEMPLATES).fetch_all(&app.sql).await.unwrap() {
            let (description, permissions): (Json<Texts>, Json<serde_json::Value>) =
                (row.get("description"), row.get("permissions"));
            let role = Role {
                id: row.get("id"),
                mandate: None,
                instance: None,
                feature: row.get("feature_code"),
                template: None,
                label: row.get("label"),
                description: description.0,
                protected: row.get("protected"),
                version: row.get("version"),
                permissions: shape::permissions(permissions.0.as_object().unwrap()),
            };
            world.roles.push(role.into());
        }
        let codes: Vec<String> =
            world.features.iter().map(|feature| feature.code.clone()).collect();
        // The features came in the order in which the service lists them in its source.
        world.trail.push(Event {
            resource: Some("~".to_owned()),
            ..Event::of("catalogue_updated", "feature", codes.join(","))
        });
        world
    }
}

fn person(id: Uuid, name: &str, sys_admin: bool) -> User {
    User {
        email: Some(format!("{name}@example.com")),
        first_name: Some(name.to_owned()),
        sys_admin,
        verified: true,
        ..User::new(id, name.to_owned(), PASSWORD.to_owned())
    }
}

/// What new mandates get, as README.md words it: `admin` the highest level on everything, `user`
/// and `viewer` to read.
#[tokio::test]
async fn templates_of_mandates_are_those_of_the_product() {
    let world = World::as_installed(&TestApp::start().await).await;
    let said = |role: &Role| -> Vec<String> {
        let rules = role.permissions.tables.iter();
        rules
            .map(|(table, rule)| {
                format!("{table} {}", rule.levels.map(super::world::access::letter).concat())
            })
            .collect()
    };
    let reads = |tables: &[(&str, &str)]| {
        tables.iter().map(|(table, level)| format!("{table} {level}nnn")).collect::<Vec<_>>()
    };
    for role in world.templates_of(None) {
        let expected = match role.label.as_str() {
            "admin" => vec!["* aaaa".to_owned()],
            "user" => {
                reads(&[("groups", "m"), ("instances", "m"), ("members", "g"), ("roles", "m")])
            }
            _ => reads(&[
                ("groups", "a"),
                ("instances", "a"),
                ("mandate", "a"),
                ("members", "a"),
                ("roles", "a"),
            ]),
        };
        assert_eq!(
            (said(role), role.protected),
            (expected, role.label == "admin"),
            "{}",
            role.label
        );
    }
    assert_eq!(world.templates_of(None).count(), 3);
}
