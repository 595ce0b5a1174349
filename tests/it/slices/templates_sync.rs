//! Template roles: copied when mandates and instances are made, and synced only when somebody says
//! so.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::kit::{set, values};
use crate::harness::World;
use crate::harness::app::uuid;
use crate::harness::world::{answered, rules};

/// A feature `trustee` with the template `clerk` (reads all ledgers, sees the board) and an
/// instance of it in Acme.
struct Stage {
    world: World,
    clerk: Uuid,
    instance: Uuid,
}

const TEMPLATES: &str = "/api/features/templates/roles";

impl Stage {
    async fn set() -> Self {
        let world = World::new().await;
        let root = world.root();
        root.post(
            "/api/features",
            json!({ "code": "trustee", "tables": ["ledgers"], "views": ["board"] }),
        )
        .await
        .expect(201);
        let clerk = template(&world, "clerk", json!({ "ledgers": ["a", "n", "n", "n"] })).await;
        root.patch(permissions(clerk), json!({ "views": { "board": true } })).await.expect(200);
        let body = json!({ "featureCode": "trustee", "label": "Accounting" });
        let instance = world.admin().post("/api/features/instances", body).await.id();
        Self { world, clerk, instance }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/features/instances/{}{rest}", self.instance)
    }

    /// The instance's roles by label.
    async fn roles(&self) -> BTreeMap<String, Value> {
        let page = self.world.admin().get(self.path("/roles?limit=200")).await.expect(200);
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|role| (role["label"].as_str().unwrap().to_owned(), role.clone()))
            .collect()
    }

    async fn copy(&self, label: &str) -> Uuid {
        uuid(&self.roles().await[label]["id"])
    }

    /// Everything that a sync could change.
    async fn state(&self) -> Vec<Value> {
        let mut state = Vec::new();
        for role in self.roles().await.into_values() {
            let permissions =
                self.world.admin().get(permissions(uuid(&role["id"]))).await.expect(200);
            state.push(json!([role, permissions]));
        }
        state
    }

    /// A dry run first: it must answer the very same and change nothing.
    async fn sync(&self, add_only: bool) -> Value {
        let before = self.state().await;
        let path = self.path(&format!("/sync-roles?addOnly={add_only}"));
        let preview =
            self.world.admin().post(format!("{path}&dryRun=true"), json!({})).await.expect(200);
        assert_eq!(self.state().await, before, "a dry run changes nothing");
        let done = self.world.admin().post(path, json!({})).await.expect(200);
        assert_eq!(preview, done);
        done
    }
}

fn permissions(role: Uuid) -> String {
    format!("/api/roles/{role}/permissions")
}

async fn template(world: &World, label: &str, tables: Value) -> Uuid {
    let id = world
        .root()
        .post(TEMPLATES, json!({ "roleLabel": label, "featureCode": "trustee" }))
        .await
        .id();
    world.root().put(permissions(id), json!({ "tables": rules(&tables) })).await.expect(200);
    id
}

/// `added`, `removed`, `unchanged`, `updated`, `kept`.
fn counts(report: &Value) -> [u64; 5] {
    ["added", "removed", "unchanged", "updated", "kept"]
        .map(|count| report[count].as_u64().unwrap_or_else(|| panic!("{report}")))
}

/// The one change of a report that concerns a role.
fn change<'a>(report: &'a Value, role: &str) -> &'a Value {
    let changes: Vec<_> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["role"] == role)
        .collect();
    assert_eq!(changes.len(), 1, "{role} in {report}");
    changes[0]
}

#[tokio::test]
async fn a_new_mandate_gets_copies_of_the_mandate_templates() {
    let world = World::new().await;
    let root = world.root();
    let auditor = root.post(TEMPLATES, json!({ "roleLabel": "auditor" })).await.id();
    let body = json!({ "tables": rules(&json!({ "audit": ["a", "n", "n", "n"] })), "views": {} });
    root.put(permissions(auditor), body.clone()).await.expect(200);
    let made = root.post("/api/mandates", json!({ "name": "Initech" })).await.id();
    let listed = root.get(format!("/api/mandates/{made}/roles")).await.expect(200);
    assert_eq!(set(values(&listed, "label")), set(["admin", "auditor", "user", "viewer"]));
    let of_template = root.get(TEMPLATES).await.expect(200);
    for copy in listed["items"].as_array().unwrap() {
        let template = of_template["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["id"] == copy["templateRoleId"]);
        let template = template.unwrap_or_else(|| panic!("{copy} remembers no template"));
        assert_eq!(
            (&copy["label"], &copy["scope"], &copy["protected"]),
            (&template["label"], &json!("mandate"), &template["protected"])
        );
        assert_eq!(copy["mandateId"], json!(made));
    }
    // An admin can read what was copied.
    let person = world.stranger("ines").await;
    let admin = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["label"] == "admin")
        .unwrap()["id"]
        .clone();
    let added = json!({ "targetUserId": person.id, "roleIds": [admin] });
    root.post(format!("/api/mandates/{made}/users"), added).await.expect(201);
    let copy =
        listed["items"].as_array().unwrap().iter().find(|role| role["label"] == "auditor").unwrap()
            ["id"]
            .clone();
    let read = world
        .app
        .get(permissions(uuid(&copy)))
        .bearer(&person.token)
        .mandate(made)
        .send()
        .await
        .expect(200);
    assert_eq!(read, answered(body));
    // The mandates that were there before have no copy of it.
    let acme = values(&world.admin().get(world.acme.path("/roles")).await.expect(200), "label");
    assert_eq!(set(acme), set(["admin", "user", "viewer"]));
}

#[tokio::test]
async fn a_new_instance_gets_copies_unless_it_says_otherwise() {
    let stage = Stage::set().await;
    let admin = stage.world.admin();
    let roles = stage.roles().await;
    assert_eq!(set(roles.keys()), set(["clerk"]));
    assert_eq!(
        (&roles["clerk"]["templateRoleId"], &roles["clerk"]["scope"]),
        (&json!(stage.clerk), &json!("instance"))
    );
    let copied = admin.get(permissions(stage.copy("clerk").await)).await.expect(200);
    let expected = json!({
        "tables": rules(&json!({ "ledgers": ["a", "n", "n", "n"] })), "views": { "board": true },
    });
    assert_eq!(copied, answered(expected));
    let body = json!({ "featureCode": "trustee", "label": "Bare", "copyTemplateRoles": false });
    let bare = admin.post("/api/features/instances", body).await.id();
    assert_eq!(
        admin.get(format!("/api/features/instances/{bare}/roles")).await.expect(200)["items"],
        json!([])
    );
    let synced = admin
        .post(format!("/api/features/instances/{bare}/sync-roles"), json!({}))
        .await
        .expect(200);
    assert_eq!(counts(&synced), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn changing_or_deleting_a_template_changes_no_copy() {
    let stage = Stage::set().await;
    let root = stage.world.root();
    let before = stage.state().await;
    root.put(permissions(stage.clerk), json!({})).await.expect(200);
    root.patch(format!("/api/roles/{}", stage.clerk), json!({ "label": "scribe" }))
        .await
        .expect(200);
    assert_eq!(stage.state().await, before);
    // A template is never in use by its copies, and they stay known as copies of it.
    root.delete(format!("/api/roles/{}", stage.clerk)).await.expect(204);
    assert_eq!(stage.state().await, before);
}

#[tokio::test]
async fn a_missing_copy_is_added_and_an_equal_one_is_unchanged() {
    let stage = Stage::set().await;
    assert_eq!(counts(&stage.sync(true).await), [0, 0, 1, 0, 0]);
    template(&stage.world, "chief", json!({ "*": ["a", "a", "a", "a"] })).await;
    let report = stage.sync(true).await;
    assert_eq!(counts(&report), [1, 0, 1, 0, 0]);
    let added = change(&report, "chief");
    assert_eq!(added["change"], json!("added"));
    let listed = added["permissions"].as_array().unwrap();
    assert!(
        listed.contains(&json!({ "table": "*", "operation": "read", "from": "n", "to": "a" })),
        "{added}"
    );
    let made = stage.world.admin().get(permissions(stage.copy("chief").await)).await.expect(200);
    assert_eq!(made["tables"]["*"]["delete"], json!("a"));
    assert_eq!(counts(&stage.sync(false).await), [0, 0, 2, 0, 0], "twice is the same as once");
}

#[tokio::test]
async fn a_changed_copy_differs_until_a_sync_may_reset_it() {
    let stage = Stage::set().await;
    let (admin, copy) = (stage.world.admin(), stage.copy("clerk").await);
    let changed =
        json!({ "tables": rules(&json!({ "ledgers": ["a", "n", "m", "n"] })), "views": {} });
    admin.put(permissions(copy), changed.clone()).await.expect(200);
    let spared = stage.sync(true).await;
    assert_eq!(counts(&spared), [0, 0, 1, 0, 0]);
    let differs = change(&spared, "clerk");
    assert_eq!(differs["change"], json!("differs"));
    let difference = json!({ "table": "ledgers", "operation": "update", "from": "m", "to": "n" });
    let listed = differs["permissions"].as_array().unwrap();
    assert!(
        listed.contains(&difference) && listed.len() == 2,
        "the level and the view, nothing else: {differs}"
    );
    assert_eq!(admin.get(permissions(copy)).await.expect(200), answered(changed));
    let reset = stage.sync(false).await;
    assert_eq!(counts(&reset), [0, 0, 0, 1, 0]);
    assert_eq!(
        (&change(&reset, "clerk")["change"], change(&reset, "clerk")["permissions"].as_array()),
        (&json!("updated"), Some(listed))
    );
    let now = admin.get(permissions(copy)).await.expect(200);
    assert_eq!(
        (&now["tables"]["ledgers"]["update"], &now["views"]["board"]),
        (&json!("n"), &json!(true))
    );
}

#[tokio::test]
async fn copies_are_known_by_their_template_not_by_their_label() {
    let stage = Stage::set().await;
    let copy = stage.copy("clerk").await;
    stage
        .world
        .admin()
        .patch(format!("/api/roles/{copy}"), json!({ "label": "bookkeeper" }))
        .await
        .expect(200);
    let report = stage.sync(true).await;
    assert_eq!(counts(&report), [0, 0, 1, 0, 0], "no second copy");
    assert_eq!(set(stage.roles().await.keys()), set(["bookkeeper"]));
    stage.sync(false).await;
    assert_eq!(stage.copy("clerk").await, copy);
}

#[tokio::test]
async fn roles_made_by_hand_are_never_touched() {
    let stage = Stage::set().await;
    let admin = stage.world.admin();
    let by_hand = admin.post(stage.path("/roles"), json!({ "label": "Chief" })).await.id();
    admin.put(permissions(by_hand), json!({ "views": { "board": true } })).await.expect(200);
    template(&stage.world, "chief", json!({ "ledgers": ["a", "a", "a", "a"] })).await;
    for add_only in [true, false] {
        let before = stage.state().await;
        let report = stage.sync(add_only).await;
        assert_eq!(counts(&report), [0, 0, 1, 0, 0]);
        assert_eq!(change(&report, "chief")["change"], json!("skipped: label_taken"));
        assert_eq!(stage.state().await, before);
    }
}

#[tokio::test]
async fn a_copy_whose_template_is_gone_is_removed_unless_somebody_holds_it() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let chief = template(world, "chief", json!({ "ledgers": ["a", "a", "a", "a"] })).await;
    stage.sync(true).await;
    let held = stage.copy("clerk").await;
    let body = json!({ "userId": acme.member.id, "roleIds": [held] });
    world.admin().post(stage.path("/users"), body).await.expect(201);
    for template in [stage.clerk, chief] {
        world.root().delete(format!("/api/roles/{template}")).await.expect(204);
    }
    let before = stage.state().await;
    let spared = stage.sync(true).await;
    assert_eq!(
        (spared["added"].clone(), spared["removed"].clone(), spared["updated"].clone()),
        (json!(0), json!(0), json!(0))
    );
    assert_eq!(stage.state().await, before, "adding only removes nothing");
    let report = stage.sync(false).await;
    assert_eq!(counts(&report), [0, 1, 0, 0, 1]);
    assert_eq!(change(&report, "chief")["change"], json!("removed"));
    let kept = change(&report, "clerk");
    assert_eq!(kept["change"], json!("kept"));
    assert!(kept.to_string().contains("acme-member"), "the holders are named: {kept}");
    assert_eq!(set(stage.roles().await.keys()), set(["clerk"]));
    world.admin().delete(stage.path(&format!("/users/{}", acme.member.id))).await.expect(204);
    assert_eq!(counts(&stage.sync(false).await), [0, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_sync_is_audited_once_and_a_dry_run_not_at_all() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let events = async || {
        let trail = acme.path(&format!("/audit?targetId={}&limit=200", stage.instance));
        world.admin().get(trail).await.expect(200)["items"].as_array().unwrap().len()
    };
    template(&stage.world, "chief", json!({ "*": ["a", "a", "a", "a"] })).await;
    let before = events().await;
    world
        .admin()
        .post(stage.path("/sync-roles?dryRun=true&addOnly=false"), json!({}))
        .await
        .expect(200);
    assert_eq!(events().await, before);
    world.admin().post(stage.path("/sync-roles"), json!({})).await.expect(200);
    assert_eq!(events().await, before + 1);
    // One that changes nothing leaves none.
    world.admin().post(stage.path("/sync-roles"), json!({})).await.expect(200);
    assert_eq!(events().await, before + 1);
}

#[tokio::test]
async fn who_may_sync() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let path = stage.path("/sync-roles");
    // No body and no content type are needed.
    world
        .app
        .post(path.clone())
        .bearer(&acme.admin.token)
        .mandate(acme.id)
        .send()
        .await
        .expect(200);
    world.root().post(path.clone(), json!({})).await.expect(200);
    let user = world.desk(&acme.member, acme);
    user.post(path.clone(), json!({})).await.refused(403, "permission_denied");
    let keeper = world.admin().post(stage.path("/roles"), json!({ "label": "keeper" })).await.id();
    let tables = rules(&json!({ "instance-roles": ["a", "a", "a", "a"] }));
    world.admin().put(permissions(keeper), json!({ "tables": tables })).await.expect(200);
    let body = json!({ "userId": acme.member.id, "roleIds": [keeper] });
    world.admin().post(stage.path("/users"), body).await.expect(201);
    user.post(path.clone(), json!({})).await.expect(200);
    let other = world.desk(&world.globex.admin, &world.globex);
    other.post(path.clone(), json!({})).await.refused(404, "not_found");
    world
        .admin()
        .post(format!("{path}?dryrun=true"), json!({}))
        .await
        .refused(400, "unknown_parameter");
    world
        .admin()
        .post(format!("{path}?dryRun=perhaps"), json!({}))
        .await
        .refused(400, "invalid_parameter");
}

/// Nothing is left to do: neither in the counts nor in the versions.
async fn rests(stage: &Stage, add_only: bool) {
    let before = stage.state().await;
    let [added, removed, _, updated, _] = counts(&stage.sync(add_only).await);
    assert_eq!((added, removed, updated), (0, 0, 0));
    assert_eq!(stage.state().await, before, "a sync that has nothing to do changes nothing");
}

#[tokio::test]
async fn templates_that_swap_their_labels_swap_those_of_their_copies() {
    let stage = Stage::set().await;
    let root = stage.world.root();
    let chief = template(&stage.world, "chief", json!({ "ledgers": ["a", "a", "a", "a"] })).await;
    stage.sync(false).await;
    let before = stage.roles().await;
    let rename = async |template: Uuid, label: &str| {
        root.patch(format!("/api/roles/{template}"), json!({ "label": label })).await.expect(200)
    };
    rename(chief, "between").await;
    rename(stage.clerk, "chief").await;
    rename(chief, "clerk").await;
    let report = stage.sync(false).await;
    assert_eq!(counts(&report), [0, 0, 0, 2, 0]);
    assert_eq!(change(&report, "clerk")["label"], json!({ "from": "clerk", "to": "chief" }));
    assert_eq!(change(&report, "clerk").get("description"), None);
    let after = stage.roles().await;
    assert_eq!(
        (&after["chief"]["id"], &after["clerk"]["id"]),
        (&before["clerk"]["id"], &before["chief"]["id"])
    );
    rests(&stage, false).await;
}

#[tokio::test]
async fn a_template_made_anew_under_its_name_gets_its_copy_in_one_sync() {
    let stage = Stage::set().await;
    stage.world.root().delete(format!("/api/roles/{}", stage.clerk)).await.expect(204);
    let anew = template(&stage.world, "clerk", json!({ "ledgers": ["m", "n", "n", "n"] })).await;
    let report = stage.sync(false).await;
    assert_eq!(counts(&report), [1, 1, 0, 0, 0]);
    assert_eq!(stage.roles().await["clerk"]["templateRoleId"], json!(anew));
    rests(&stage, false).await;
}

#[tokio::test]
async fn a_label_that_a_handmade_role_has_is_left_to_it_for_good() {
    let stage = Stage::set().await;
    let (root, admin) = (stage.world.root(), stage.world.admin());
    admin.post(stage.path("/roles"), json!({ "label": "Scribe" })).await.expect(201);
    root.patch(
        format!("/api/roles/{}", stage.clerk),
        json!({ "label": "scribe", "description": { "en": "Writes" } }),
    )
    .await
    .expect(200);
    let report = stage.sync(false).await;
    let updated = change(&report, "clerk");
    assert_eq!((&updated["change"], updated.get("label")), (&json!("updated"), None));
    assert_eq!(updated["description"], json!({ "from": {}, "to": { "en": "Writes" } }));
    rests(&stage, false).await;
    let skipped = stage.sync(false).await;
    let skipped = change(&skipped, "clerk");
    assert_eq!(
        (&skipped["change"], &skipped["label"]["to"]),
        (&json!("skipped: label_taken"), &json!("scribe"))
    );
}

#[tokio::test]
async fn holders_are_named_to_those_only_who_may_list_them() {
    let stage = Stage::set().await;
    let (world, acme) = (&stage.world, &stage.world.acme);
    let clerk = stage.copy("clerk").await;
    let held = json!({ "userId": acme.member.id, "roleIds": [clerk] });
    world.admin().post(stage.path("/users"), held).await.expect(201);
    let keeper = world.admin().post(stage.path("/roles"), json!({ "label": "keeper" })).await.id();
    let tables = rules(&json!({ "instance-roles": ["a", "a", "a", "a"] }));
    world.admin().put(permissions(keeper), json!({ "tables": tables })).await.expect(200);
    let kim =
        world.member_with(acme, "kim", &[world.role_with(acme, "nothing", json!({})).await]).await;
    world
        .admin()
        .post(stage.path("/users"), json!({ "userId": kim.id, "roleIds": [keeper] }))
        .await
        .expect(201);
    world.root().delete(format!("/api/roles/{}", stage.clerk)).await.expect(204);
    let sync = stage.path("/sync-roles?addOnly=false");
    for (desk, named) in
        [(world.desk(&kim, acme), false), (world.admin(), true), (world.root(), true)]
    {
        let report = desk.post(sync.clone(), json!({})).await.expect(200);
        assert_eq!(change(&report, "clerk")["change"], json!("kept"));
        assert_eq!(report.to_string().contains("acme-member"), named, "{report}");
    }
}
