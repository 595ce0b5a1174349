//! What a membership says of its account: what the account says, whoever changes either of them at
//! whatever moment.

use serde_json::json;
use sqlx::Executor;
use uuid::Uuid;

use super::{REFUSED, acting, app_count, begin, run};
use crate::harness::held::so_many_wait;
use crate::harness::{TestApp, World};

/// Memberships that say something else than their accounts.
const ASTRAY: &str = "
    select count(*) from memberships m join users u on u.id = m.user_id
    where (m.username, m.username_key, m.email, m.email_key, m.first_name, m.last_name)
      is distinct from
          (u.username, u.username_key, u.email, u.email_key, u.first_name, u.last_name)";

async fn none_is_astray(app: &TestApp, when: &str) {
    assert_eq!(app_count(app, ASTRAY.to_owned()).await, 0, "{when}");
}

fn joins(mandate: Uuid, user: Uuid) -> String {
    format!(
        "insert into memberships (id, mandate_id, user_id, created_at, username, username_key,
             email)
         values (gen_random_uuid(), '{mandate}', '{user}', now(), 'forged', 'forged', 'forged')"
    )
}

#[tokio::test]
async fn a_membership_says_what_its_account_says() {
    let world = World::new().await;
    let (app, acme) = (&world.app, &world.acme);
    assert!(app_count(app, "select count(*) from memberships".to_owned()).await > 0);
    none_is_astray(app, "as they were made").await;
    let path = format!("/api/users/{}", acme.member.id);
    let changes = json!({ "email": "New@Example.com", "firstName": "New", "lastName": "Name" });
    world.root().patch(&path, changes).await.expect(200);
    none_is_astray(app, "after the account was changed").await;
    let changes = json!({ "email": null, "firstName": null });
    world.root().patch(&path, changes).await.expect(200);
    none_is_astray(app, "after something was taken from it").await;
    // As nothing in the service does: another name, by a statement over all accounts.
    let renamed = "update users set username = username || 'x', username_key = username_key || 'x'";
    app.sql.execute(renamed).await.unwrap();
    none_is_astray(app, "after all were renamed").await;
}

#[tokio::test]
async fn nobody_else_writes_what_a_membership_says_of_its_account() {
    let world = World::new().await;
    let (app, acme) = (&world.app, &world.acme);
    let stranger = world.stranger("stranger").await.id;
    let copies = ["username", "username_key", "email", "email_key", "first_name", "last_name"];
    for role in ["bailiwick_tenant", "bailiwick_system"] {
        for column in copies {
            let mut transaction = acting(app, role, Some(acme.id)).await;
            let outcome =
                run(&mut transaction, &format!("update memberships set {column} = 'forged'")).await;
            assert_eq!(outcome, Err(REFUSED.to_owned()), "{role}: {column}");
        }
        let mut transaction = acting(app, role, Some(acme.id)).await;
        run(&mut transaction, &joins(acme.id, stranger)).await.unwrap();
        transaction.execute("reset role").await.unwrap();
        let astray: i64 = sqlx::query_scalar(ASTRAY).fetch_one(&mut *transaction).await.unwrap();
        assert_eq!(astray, 0, "{role} says by itself who joins");
    }
}

/// The account is locked while it is copied: epochs, which both change too, would make the other
/// wait as well, but only after it looked for memberships.
#[tokio::test]
async fn who_is_renamed_while_they_join_joins_under_the_new_name() {
    let world = World::new().await;
    let (app, acme) = (&world.app, &world.acme);
    let stranger = world.stranger("stranger").await.id;
    let (mut joining, mut other) = (begin(app).await, begin(app).await);
    run(&mut joining, &joins(acme.id, stranger)).await.unwrap();
    let rename = format!("update users set first_name = 'Renamed' where id = '{stranger}'");
    let mut renaming = Box::pin(run(&mut other, &rename));
    tokio::select! {
        done = &mut renaming => panic!("renamed beside a membership nobody sees yet: {done:?}"),
        () = so_many_wait(&app.sql, 1) => {}
    }
    joining.commit().await.unwrap();
    assert_eq!(renaming.await, Ok(1));
    other.commit().await.unwrap();
    none_is_astray(app, "after who joined was renamed").await;
}
