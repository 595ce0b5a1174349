//! What is told: of each route, of what is disabled, of how many.

use axum::http::Method;
use serde_json::json;
use uuid::Uuid;

use super::{ask, asking, figures, lines, send};
use crate::harness::World;
use crate::harness::app::uuid;
use crate::harness::world::rules;

const RAISED_TO_VIEWER: [&str; 5] = [
    "groups.read m>a",
    "instances.read m>a",
    "mandate.read n>a",
    "members.read g>a",
    "roles.read m>a",
];
const LOWERED_FROM_VIEWER: [&str; 5] = [
    "groups.read a>m",
    "instances.read a>m",
    "mandate.read a>n",
    "members.read a>g",
    "roles.read a>m",
];
const PLAYBOOKS_VIEWER: [&str; 2] = ["@playbook_versions.read n>a", "@playbooks.read n>a"];

#[tokio::test]
async fn changes_of_members_are_told_and_not_made() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let (user, viewer) = (acme.role("user"), acme.role("viewer"));
    let member = acme.path(&format!("/users/{}", acme.member.id));
    let role = |role: Uuid| format!("{member}/roles/{role}");

    let replaced = ask(
        app,
        &admin,
        Method::PUT,
        &format!("{member}/roles"),
        Some(json!({ "roleIds": [viewer] })),
    )
    .await;
    assert_eq!(
        (lines(&replaced, acme), figures(&replaced)),
        (RAISED_TO_VIEWER.map(str::to_owned).to_vec(), [1, 5, 0, 1])
    );
    assert!(
        replaced["changes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|change| uuid(&change["userId"]) == acme.member.id)
    );
    let assigned = ask(app, &admin, Method::PUT, &role(viewer), None).await;
    assert_eq!(assigned, replaced);
    let repeated = ask(app, &admin, Method::PUT, &role(user), None).await;
    assert_eq!(
        repeated,
        json!({ "changes": [], "totals": { "users": 0, "gained": 0, "lost": 0 }, "adminsLeft": 1 })
    );

    send(&admin, &Method::PUT, &format!("{}?dryRun=false", role(viewer)), None).await.expect(200);
    let revoked = ask(app, &admin, Method::DELETE, &role(viewer), None).await;
    assert_eq!(
        (lines(&revoked, acme), figures(&revoked)),
        (LOWERED_FROM_VIEWER.map(str::to_owned).to_vec(), [1, 0, 5, 1])
    );

    world.admit(acme, acme.member.id, &[acme.instance_role("playbooks-viewer")]).await;
    let removed = ask(app, &admin, Method::DELETE, &member, None).await;
    let all = [
        "groups.read a>n",
        "instances.read a>n",
        "mandate.read a>n",
        "members.read a>n",
        "roles.read a>n",
    ];
    let in_instance = ["@playbook_versions.read a>n", "@playbooks.read a>n"];
    assert_eq!(lines(&removed, acme), [&all[..], &in_instance].concat());
    assert_eq!(figures(&removed), [1, 0, 7, 1]);
    let left = ask(app, &world.desk(&acme.member, acme), Method::DELETE, &member, None).await;
    assert_eq!(left, removed, "leaving is told too");
    assert_eq!(
        ask(app, &world.root(), Method::DELETE, &member, None).await,
        removed,
        "and to a SysAdmin"
    );
}

#[tokio::test]
async fn changes_of_a_roles_permissions_are_told_of_its_holders() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let clerk = world.role_with(acme, "clerk", json!({ "members": ["a", "n", "m", "n"] })).await;
    let path = |role: Uuid| format!("/api/roles/{role}/permissions");
    let unheld = ask(app, &admin, Method::PUT, &path(clerk), Some(json!({}))).await;
    assert_eq!(figures(&unheld), [0, 0, 0, 1]);

    let (first, second) = (
        world.member_with(acme, "cleo", &[clerk]).await,
        world.member_with(acme, "carl", &[clerk, acme.role("user")]).await,
    );
    let body = json!({
        "tables": rules(&json!({
            "members": ["m", "n", "m", "n"], "groups": ["a", "n", "n", "n"],
        })),
    });
    let replaced = ask(app, &admin, Method::PUT, &path(clerk), Some(body)).await;
    assert_eq!(
        lines(&replaced, acme),
        ["groups.read n>a", "members.read a>m", "groups.read m>a", "members.read a>g"],
        "merged with other roles"
    );
    assert_eq!(figures(&replaced), [2, 2, 2, 1]);
    let users: Vec<Uuid> = replaced["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| uuid(&change["userId"]))
        .collect();
    assert_eq!(users, [first.id, first.id, second.id, second.id], "by user id");
    let patched = ask(
        app,
        &admin,
        Method::PATCH,
        &path(clerk),
        Some(json!({ "tables": { "members": null } })),
    )
    .await;
    assert_eq!(
        lines(&patched, acme),
        ["members.read a>n", "members.update m>n", "members.read a>g", "members.update m>n"]
    );

    let viewer = acme.instance_role("playbooks-viewer");
    world.admit(acme, first.id, &[viewer]).await;
    let body = json!({
        "tables": { "playbooks": { "read": "g" }, "access": { "view": true, "read": "m" } },
        "views": { "editor": true },
    });
    let patched = ask(app, &admin, Method::PATCH, &path(viewer), Some(body)).await;
    assert_eq!(
        (lines(&patched, acme), figures(&patched)),
        (vec!["@access.read n>m".to_owned(), "@playbooks.read a>g".to_owned()], [1, 1, 1, 1])
    );
}

#[tokio::test]
async fn a_template_changes_nobodys_access() {
    let world = World::new().await;
    let root = world.root();
    let templates =
        root.get("/api/features/templates/roles?featureCode=playbooks").await.expect(200);
    let body = json!({ "tables": { "playbooks": null } });
    for template in templates["items"].as_array().unwrap() {
        let path = format!("/api/roles/{}/permissions", template["id"].as_str().unwrap());
        let preview = ask(&world.app, &root, Method::PATCH, &path, Some(body.clone())).await;
        assert_eq!(
            preview,
            json!({
                "changes": [], "totals": { "users": 0, "gained": 0, "lost": 0 }, "adminsLeft": null,
            })
        );
    }
}

#[tokio::test]
async fn changes_of_admissions_are_told_and_not_made() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let (viewer, contributor) =
        (acme.instance_role("playbooks-viewer"), acme.instance_role("playbooks-contributor"));
    let (list, row) =
        (acme.instance_path("/users"), acme.instance_path(&format!("/users/{}", acme.member.id)));
    let body = json!({ "userId": acme.member.id, "roleIds": [viewer] });
    let admitted = ask(app, &admin, Method::POST, &list, Some(body.clone())).await;
    assert_eq!(
        (lines(&admitted, acme), figures(&admitted)),
        (PLAYBOOKS_VIEWER.map(str::to_owned).to_vec(), [1, 2, 0, 1])
    );
    admin.post(list, body).await.expect(201);

    let ended = ["@playbook_versions.read a>n", "@playbooks.read a>n"];
    assert_eq!(lines(&ask(app, &admin, Method::DELETE, &row, None).await, acme), ended);
    assert_eq!(
        lines(
            &ask(app, &admin, Method::PATCH, &row, Some(json!({ "enabled": false }))).await,
            acme
        ),
        ended
    );
    let roles = format!("{row}/roles");
    let replaced =
        ask(app, &admin, Method::PUT, &roles, Some(json!({ "roleIds": [contributor] }))).await;
    let of_one = |table: &str| {
        ["read a>g", "create n>m", "update n>m", "delete n>m"]
            .map(|change| format!("@{table}.{change}"))
    };
    assert_eq!(lines(&replaced, acme), [of_one("playbook_versions"), of_one("playbooks")].concat());
    assert_eq!(figures(&replaced), [1, 6, 2, 1]);
    assert_eq!(
        figures(&ask(app, &admin, Method::PUT, &roles, Some(json!({ "roleIds": [viewer] }))).await),
        [0, 0, 0, 1]
    );
    // The own access of an admin, who may give it to themselves.
    let body = json!({ "userId": acme.admin.id, "roleIds": [viewer] });
    assert_eq!(
        lines(
            &ask(app, &admin, Method::POST, &acme.instance_path("/users"), Some(body)).await,
            acme
        ),
        PLAYBOOKS_VIEWER
    );
}

/// Effective access is what guards would see.
#[tokio::test]
async fn what_is_disabled_gives_nothing_before_or_after() {
    let world = World::new().await;
    let (app, acme, admin, root) = (&world.app, &world.acme, world.admin(), world.root());
    let viewer = acme.instance_role("playbooks-viewer");
    world.admit(acme, acme.member.id, &[viewer]).await;
    let member = acme.path(&format!("/users/{}", acme.member.id));
    let (access, instance) =
        (acme.instance_path(&format!("/users/{}", acme.member.id)), acme.instance_path(""));
    let raise =
        || (Method::PUT, format!("{member}/roles"), json!({ "roleIds": [acme.role("viewer")] }));
    let admission = || {
        (
            Method::PUT,
            format!("{access}/roles"),
            json!({ "roleIds": [acme.instance_role("playbooks-admin")] }),
        )
    };
    let account = format!("/api/users/{}", acme.member.id);
    let switches = [
        (&admin, member.clone(), vec![raise(), admission()]),
        (&root, account, vec![raise(), admission()]),
        (&admin, access.clone(), vec![admission()]),
        (&admin, instance, vec![admission()]),
        (&root, acme.path(""), vec![raise()]),
    ];
    for (who, path, calls) in switches {
        who.patch(path.clone(), json!({ "enabled": false })).await.expect(200);
        for (method, target, body) in calls {
            let asker = if path == acme.path("") { &root } else { &admin };
            let preview = ask(app, asker, method, &target, Some(body)).await;
            assert_eq!(
                figures(&preview),
                [0, 0, 0, 1],
                "{path} is disabled, and {target} tells {preview}"
            );
        }
        who.patch(path, json!({ "enabled": true })).await.expect(200);
    }
    admin.patch(access.clone(), json!({ "enabled": false })).await.expect(200);
    let enabled = ask(app, &admin, Method::PATCH, &access, Some(json!({ "enabled": true }))).await;
    assert_eq!(lines(&enabled, acme), PLAYBOOKS_VIEWER);
}

#[tokio::test]
async fn effective_admins_are_counted_as_they_would_be_left() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let zoe = world.member_with(acme, "zoe", &[acme.role("admin")]).await;
    let left = async |method: Method, user: Uuid, rest: &str| {
        let preview =
            ask(app, &admin, method, &acme.path(&format!("/users/{user}{rest}")), None).await;
        preview["adminsLeft"].as_i64().unwrap()
    };
    let role = format!("/roles/{}", acme.role("admin"));
    assert_eq!(left(Method::DELETE, zoe.id, "").await, 1);
    assert_eq!(left(Method::DELETE, acme.member.id, "").await, 2);
    assert_eq!(left(Method::PUT, acme.member.id, &role).await, 3);
    world
        .root()
        .patch(format!("/api/users/{}", zoe.id), json!({ "enabled": false }))
        .await
        .expect(200);
    assert_eq!(left(Method::PUT, acme.member.id, &role).await, 2, "zoe's account is disabled");
    let last = acme.path(&format!("/users/{}", acme.admin.id));
    send(&admin, &Method::DELETE, &asking(&last), None).await.refused(409, "last_mandate_admin");
}

/// Far more than can be listed, in one statement for each look.
#[tokio::test]
async fn at_most_200_users_are_listed_and_all_are_counted() {
    let world = World::new().await;
    let (app, acme, admin) = (&world.app, &world.acme, world.admin());
    let clerk = world.role_with(acme, "clerk", json!({ "members": ["a", "n", "n", "n"] })).await;
    let viewer = acme.instance_role("playbooks-viewer");
    let statements = [
        "insert into users (id, username, username_key, created_at) select gen_random_uuid(),
           'many-' || n, 'many-' || n, now() from generate_series(1, 10000) n",
        "insert into memberships (id, mandate_id, user_id, created_at) select gen_random_uuid(), $1,
           id, now() from users where username like 'many-%'",
        "insert into member_roles (mandate_id, user_id, role_id) select $1, id, $3 from users
           where username like 'many-%'",
        "insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
           select $1, $2, id, now() from users where username like 'many-%'",
        "insert into access_roles (mandate_id, instance_id, user_id, role_id) select $1, $2, id, $4
           from users where username like 'many-%'",
    ];
    for (number, statement) in statements.into_iter().enumerate() {
        let query = sqlx::query(statement);
        let query = if number == 0 {
            query
        } else {
            query.bind(acme.id).bind(acme.instance).bind(clerk).bind(viewer)
        };
        query.execute(&app.sql).await.unwrap();
    }
    let body = json!({
        "tables": { "members": { "read": "m" }, "groups": { "view": true, "read": "a" } },
    });
    let preview =
        ask(app, &admin, Method::PATCH, &format!("/api/roles/{clerk}/permissions"), Some(body))
            .await;
    assert_eq!(figures(&preview), [10_000, 10_000, 10_000, 1]);
    let listed: Vec<Uuid> = preview["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| uuid(&change["userId"]))
        .collect();
    let first =
        "select array(select id from users where username like 'many-%' order by id limit 200)";
    let first: Vec<Uuid> = sqlx::query_scalar(first).fetch_one(&app.sql).await.unwrap();
    assert_eq!(
        listed,
        first.iter().flat_map(|user| [*user; 2]).collect::<Vec<_>>(),
        "the first 200 users, with both changes of each"
    );

    let body = json!({ "tables": { "playbooks": null } });
    let preview =
        ask(app, &admin, Method::PATCH, &format!("/api/roles/{viewer}/permissions"), Some(body))
            .await;
    assert_eq!(figures(&preview), [10_000, 0, 10_000, 1]);
}
