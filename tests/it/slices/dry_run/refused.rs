//! What is refused, and that nothing is done: no version moves, nobody's first use is noted,
//! nothing is remembered.

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::Executor;
use uuid::Uuid;

use super::{ask, asking, send};
use crate::harness::World;
use crate::harness::world::{Person, rules};
use crate::slices::kit::Desk;

/// Who calls what, and the refusal's code.
type Refusal<'a> = (&'a Desk<'a>, &'a Method, String, Option<Value>, &'a str);

/// Each is refused in the same words when asked about as when made, and neither changes anything.
async fn refused_alike(world: &World, calls: &[Refusal<'_>]) {
    for (desk, ..) in calls {
        // A call that is refused may be somebody's first use, which is noted.
        desk.get("/api/features/instances").await;
    }
    let before = world.app.digest().await;
    for (desk, method, path, body, code) in calls {
        let [told, done] = [
            send(desk, method, &asking(path), body.as_ref()).await,
            send(desk, method, path, body.as_ref()).await,
        ];
        assert_eq!(done.code(), *code, "{method} {path}: {}", done.body);
        for member in ["status", "code", "detail", "errors"] {
            assert_eq!(told.body[member], done.body[member], "{method} {path}");
        }
    }
    assert_eq!(world.app.digest().await, before);
}

/// A member who may change members and roles, and is no admin.
async fn lead(world: &World) -> (Uuid, Person) {
    let tables = json!({ "members": ["a", "a", "a", "a"], "roles": ["a", "n", "a", "n"] });
    let role = world.role_with(&world.acme, "lead", tables).await;
    (role, world.member_with(&world.acme, "dora", &[role, world.acme.role("user")]).await)
}

const PUT: &Method = &Method::PUT;
const PATCH: &Method = &Method::PATCH;
const DELETE: &Method = &Method::DELETE;

#[tokio::test]
async fn changes_of_members_are_refused_alike() {
    let world = World::new().await;
    let (acme, globex, admin, root) = (&world.acme, &world.globex, world.admin(), world.root());
    let (role, dora) = lead(&world).await;
    let (delegate, plain, foreign) =
        (world.desk(&dora, acme), world.desk(&acme.member, acme), world.desk(&globex.admin, acme));
    let user = |user: Uuid, rest: &str| acme.path(&format!("/users/{user}{rest}"));
    let (last, other) = (user(acme.admin.id, ""), user(acme.member.id, "/roles"));
    let holding = |role: Uuid| Some(json!({ "roleIds": [role] }));
    let calls = [
        (&admin, DELETE, last.clone(), None, "last_mandate_admin"),
        (&root, PUT, format!("{last}/roles"), holding(role), "last_mandate_admin"),
        (&admin, DELETE, format!("{other}/{}", acme.role("user")), None, "last_role"),
        (&admin, PUT, other.clone(), Some(json!({ "roleIds": [] })), "validation_failed"),
        (
            &admin,
            PUT,
            other.clone(),
            Some(json!({ "roleIds": [role], "version": 7 })),
            "version_conflict",
        ),
        (&admin, PUT, other.clone(), holding(globex.role("user")), "not_found"),
        (&admin, PUT, user(globex.member.id, "/roles"), holding(role), "not_found"),
        (&delegate, PUT, user(dora.id, "/roles"), holding(acme.role("admin")), "self_escalation"),
        (&delegate, PUT, other.clone(), holding(acme.role("viewer")), "grant_exceeds_own_access"),
        (&delegate, DELETE, last, None, "target_exceeds_own_access"),
        (&plain, PUT, other.clone(), holding(role), "permission_denied"),
        (&foreign, PUT, other, holding(role), "mandate_access_denied"),
    ];
    refused_alike(&world, &calls).await;
}

#[tokio::test]
async fn coming_and_counting_is_refused_alike() {
    let world = World::new().await;
    let (acme, globex, admin, root) = (&world.acme, &world.globex, world.admin(), world.root());
    let (role, dora) = lead(&world).await;
    let (delegate, plain) = (world.desk(&dora, acme), world.desk(&acme.member, acme));
    let nina = world.app.account("nina", false).await;
    let list = || acme.path("/users");
    let adding = |user: Uuid, role: Uuid| Some(json!({ "targetUserId": user, "roleIds": [role] }));
    let user = |user: Uuid| acme.path(&format!("/users/{user}"));
    let enabled = |enabled: bool| Some(json!({ "enabled": enabled }));
    let post = &Method::POST;
    let calls = [
        (&admin, post, list(), adding(acme.member.id, role), "already_member"),
        (&admin, post, list(), adding(Uuid::now_v7(), role), "not_found"),
        (&admin, post, list(), adding(nina, globex.role("user")), "not_found"),
        (
            &admin,
            post,
            list(),
            Some(json!({ "targetUserId": nina, "roleIds": [] })),
            "validation_failed",
        ),
        (&root, post, list(), adding(world.sys_admin.id, role), "self_escalation"),
        (&delegate, post, list(), adding(nina, acme.role("admin")), "grant_exceeds_own_access"),
        (&plain, post, list(), adding(nina, role), "permission_denied"),
        (&admin, PATCH, user(acme.admin.id), enabled(false), "last_mandate_admin"),
        (
            &admin,
            PATCH,
            user(acme.member.id),
            Some(json!({ "enabled": false, "version": 9 })),
            "version_conflict",
        ),
        (&admin, PATCH, user(globex.member.id), enabled(false), "not_found"),
        (&delegate, PATCH, user(acme.admin.id), enabled(false), "target_exceeds_own_access"),
        (&plain, PATCH, user(acme.member.id), enabled(false), "permission_denied"),
    ];
    refused_alike(&world, &calls).await;
}

#[tokio::test]
async fn changes_of_groups_are_refused_alike() {
    let world = World::new().await;
    let (acme, globex, admin) = (&world.acme, &world.globex, world.admin());
    let keeper = world.role_with(acme, "keeper", json!({ "groups": ["a", "n", "a", "a"] })).await;
    let kim = world.member_with(acme, "kim", &[keeper]).await;
    let (delegate, plain) = (world.desk(&kim, acme), world.desk(&acme.member, acme));
    let board = acme.path(&format!(
        "/groups/{}",
        admin.post(acme.path("/groups"), json!({ "name": "board" })).await.id()
    ));
    let everyone = acme.path(&format!("/groups/{}", acme.everyone));
    let people = |people: &[Uuid]| Some(json!({ "userIds": people }));
    let (members, foreign) =
        (format!("{board}/members"), acme.path(&format!("/groups/{}", globex.everyone)));
    let calls = [
        (&admin, PUT, members.clone(), people(&[globex.member.id]), "not_found"),
        (
            &admin,
            PUT,
            members.clone(),
            Some(json!({ "userIds": [], "version": 9 })),
            "version_conflict",
        ),
        (&admin, PUT, format!("{foreign}/members"), people(&[]), "not_found"),
        (&delegate, PUT, members.clone(), people(&[kim.id]), "self_escalation"),
        (&delegate, PUT, members.clone(), people(&[acme.admin.id]), "target_exceeds_own_access"),
        (&plain, PUT, members, people(&[]), "permission_denied"),
        (&admin, PATCH, board.clone(), Some(json!({ "name": "Everyone" })), "name_taken"),
        (&admin, PATCH, board.clone(), Some(json!({ "name": "" })), "validation_failed"),
        (
            &admin,
            PATCH,
            board.clone(),
            Some(json!({ "name": "x", "version": 9 })),
            "version_conflict",
        ),
        (&delegate, PATCH, board.clone(), Some(json!({ "autoJoin": true })), "self_escalation"),
        (&admin, PATCH, foreign.clone(), Some(json!({ "name": "x" })), "not_found"),
        (&admin, DELETE, foreign, None, "not_found"),
        (&delegate, DELETE, everyone, None, "target_exceeds_own_access"),
        (&plain, DELETE, board, None, "permission_denied"),
    ];
    refused_alike(&world, &calls).await;
    // Where nothing changes in anybody's access, nobody may ask; and it is not done either.
    for call in [
        admin.post(asking(&acme.path("/groups")), json!({ "name": "new" })).await,
        admin.get(asking(&acme.path("/groups"))).await,
    ] {
        call.refused(400, "unknown_parameter");
    }
}

#[tokio::test]
async fn changes_of_permissions_are_refused_alike() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let (role, dora) = lead(&world).await;
    let delegate = world.desk(&dora, acme);
    let permissions = |role: Uuid| format!("/api/roles/{role}/permissions");
    let tables = |tables: Value| Some(json!({ "tables": tables }));
    let calls = [
        (&admin, PUT, permissions(acme.role("admin")), tables(json!({})), "role_protected"),
        (
            &admin,
            PUT,
            permissions(role),
            tables(json!({ "ghosts": rules(&json!({ "it": ["a", "n", "n", "n"] }))["it"] })),
            "validation_failed",
        ),
        (
            &admin,
            PATCH,
            permissions(role),
            tables(json!({ "members": { "view": false } })),
            "validation_failed",
        ),
        (
            &delegate,
            PATCH,
            permissions(role),
            tables(json!({ "audit": { "view": true, "read": "a" } })),
            "grant_exceeds_own_access",
        ),
        (&admin, PATCH, permissions(world.globex.role("user")), tables(json!({})), "not_found"),
        (&root, PATCH, permissions(Uuid::now_v7()), tables(json!({})), "not_found"),
    ];
    refused_alike(&world, &calls).await;
}

#[tokio::test]
async fn changes_of_admissions_are_refused_alike() {
    let world = World::new().await;
    let (acme, admin) = (&world.acme, world.admin());
    let plain = world.desk(&acme.member, acme);
    let role = acme.instance_role("playbooks-admin");
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let (list, row) =
        (acme.instance_path("/users"), acme.instance_path(&format!("/users/{}", acme.member.id)));
    let admitting = |user: Uuid| Some(json!({ "userId": user, "roleIds": [role] }));
    let calls = [
        (&admin, &Method::POST, list.clone(), admitting(acme.member.id), "already_has_access"),
        (&admin, &Method::POST, list, admitting(world.globex.member.id), "not_found"),
        (
            &admin,
            PATCH,
            row.clone(),
            Some(json!({ "enabled": true, "version": 9 })),
            "version_conflict",
        ),
        (
            &admin,
            PUT,
            format!("{row}/roles"),
            Some(json!({ "roleIds": [acme.role("user")] })),
            "not_found",
        ),
        (&plain, DELETE, row, None, "permission_denied"),
    ];
    refused_alike(&world, &calls).await;
}

#[tokio::test]
async fn if_match_counts_and_the_version_does_not_move() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let role = world.role_with(acme, "clerk", json!({ "members": ["a", "n", "n", "n"] })).await;
    let member = acme.path(&format!("/users/{}", acme.member.id));
    let access = acme.instance_path(&format!("/users/{}", acme.member.id));
    let everyone = acme.path(&format!("/groups/{}", acme.everyone));
    let calls = [
        (Method::PUT, format!("{member}/roles/{}", acme.role("viewer")), None, 1),
        (Method::DELETE, member, None, 1),
        (Method::PUT, format!("/api/roles/{role}/permissions"), Some(json!({})), 2),
        (Method::PATCH, access.clone(), Some(json!({ "enabled": false })), 1),
        (Method::DELETE, access, None, 1),
        (
            Method::PATCH,
            acme.path(&format!("/users/{}", acme.member.id)),
            Some(json!({ "enabled": false })),
            1,
        ),
        (Method::PUT, format!("{everyone}/members"), Some(json!({ "userIds": [] })), 1),
        (Method::PATCH, everyone.clone(), Some(json!({ "autoJoin": false })), 1),
        (Method::DELETE, everyone, None, 1),
    ];
    for (method, path, body, version) in calls {
        let conditional = async |tag: i64| {
            let call =
                admin.ask(method.clone(), asking(&path)).header("if-match", format!("\"{tag}\""));
            if let Some(body) = &body {
                call.json(body.clone()).send().await
            } else {
                call.send().await
            }
        };
        for _ in 0..2 {
            conditional(version).await.expect(200);
        }
        conditional(version + 1).await.refused(412, "precondition_failed");
    }
    assert_eq!(
        app.count("select count(*) from audit_events where action = 'role_assigned'").await,
        0
    );
}

/// What only shows at the end of a transaction is refused in a dry run too.
#[tokio::test]
async fn deferred_checks_refuse_a_dry_run() {
    let world = World::new().await;
    let (acme, admin, root) = (&world.acme, world.admin(), world.root());
    let late = "create function refuse_late() returns trigger language plpgsql as $$
                begin raise exception 'late' using errcode = 'query_canceled'; end $$;
                create constraint trigger refuse_late after insert
                  on member_roles deferrable initially deferred
                for each row execute function refuse_late();
                create constraint trigger refuse_late after update
                  on roles deferrable initially deferred
                for each row execute function refuse_late()";
    world.app.sql.execute(late).await.unwrap();
    let role = acme.path(&format!("/users/{}/roles/{}", acme.member.id, acme.role("viewer")));
    let templates =
        root.get("/api/features/templates/roles?featureCode=playbooks").await.expect(200);
    let template =
        format!("/api/roles/{}/permissions", templates["items"][0]["id"].as_str().unwrap());
    let body = json!({ "tables": { "playbooks": null } });
    for path in [role.clone(), asking(&role)] {
        send(&admin, &Method::PUT, &path, None).await.refused(504, "timed_out");
    }
    for path in [template.clone(), asking(&template)] {
        send(&root, &Method::PATCH, &path, Some(&body)).await.refused(504, "timed_out");
    }
}

#[tokio::test]
async fn the_parameter_is_a_boolean_and_unknown_where_it_would_not_be_heeded() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let member = acme.path(&format!("/users/{}", acme.member.id));
    let before = app.digest().await;
    for query in [
        "dryRun=yes",
        "dryRun=1",
        "dryRun=True",
        "dryRun=",
        "dryRun",
        "dryRun=true&dryRun=true",
        "dryRun=false&dryRun=true",
    ] {
        admin.delete(format!("{member}?{query}")).await.refused(400, "invalid_parameter");
    }
    for query in ["dryrun=true", "dry_run=true", "dryRun%20=true"] {
        admin.delete(format!("{member}?{query}")).await.refused(400, "unknown_parameter");
    }
    admin
        .patch(asking(&acme.path("")), json!({ "name": "Acme & Co" }))
        .await
        .refused(400, "unknown_parameter");
    admin
        .post(asking(&acme.path("/roles")), json!({ "label": "clerk" }))
        .await
        .refused(400, "unknown_parameter");
    admin
        .delete(asking(&format!("/api/roles/{}", acme.role("viewer"))))
        .await
        .refused(400, "unknown_parameter");
    admin.get(asking(&member)).await.refused(400, "unknown_parameter");
    assert_eq!(app.digest().await, before);
    admin.delete(format!("{member}?dryRun=false")).await.expect(204);
}

/// A colleague's names show after their first use of the mandate: asking is none.
#[tokio::test]
async fn asking_is_no_first_use() {
    let world = World::new().await;
    let acme = &world.acme;
    let zoe = world.member_with(acme, "zoe", &[acme.role("admin")]).await;
    let desk = world.desk(&zoe, acme);
    let member = acme.path(&format!("/users/{}", acme.member.id));
    let own = acme.path(&format!("/users/{}", zoe.id));
    for _ in 0..2 {
        ask(&world.app, &desk, Method::DELETE, &member, None).await;
    }
    assert!(world.admin().get(own.clone()).await.expect(200)["email"].is_null());
    desk.get(member).await.expect(200);
    assert_eq!(world.admin().get(own).await.expect(200)["email"], "zoe@example.com");
}

/// Its own answer; the rest is as everywhere.
#[tokio::test]
async fn a_dry_sync_is_refused_as_a_sync_is_and_does_nothing() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let (sync, viewer) =
        (acme.instance_path("/sync-roles?addOnly=false"), acme.instance_role("playbooks-viewer"));
    world.admit(acme, acme.admin.id, &[viewer]).await;
    let changed = json!({ "tables": { "playbook_versions": null } });
    admin.patch(format!("/api/roles/{viewer}/permissions"), changed).await.expect(200);
    let preview = ask(app, &admin, Method::POST, &sync, None).await;
    assert_eq!(
        (&preview["updated"], &preview["changes"][0]["role"]),
        (&json!(1), &json!("playbooks-viewer"))
    );

    let keeper =
        world.role_with(acme, "keeper", json!({ "instances": ["a", "n", "a", "n"] })).await;
    let kim = world.member_with(acme, "kim", &[keeper]).await;
    world.admit(acme, kim.id, &[viewer]).await;
    let asked = [
        world.desk(&kim, acme),
        world.desk(&acme.member, acme),
        world.desk(&world.globex.admin, acme),
    ];
    for (desk, code) in
        asked.iter().zip(["self_escalation", "permission_denied", "mandate_access_denied"])
    {
        for path in [sync.clone(), asking(&sync)] {
            send(desk, &Method::POST, &path, None).await.refused(403, code);
        }
    }
    let nothing = acme.instance_path("/sync-roles?dryRun=perhaps");
    send(&admin, &Method::POST, &nothing, None).await.refused(400, "invalid_parameter");
    assert_eq!(send(&admin, &Method::POST, &sync, None).await.expect(200), preview);
}
