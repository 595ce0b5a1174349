//! The platform keeps an active SysAdmin, however two changes race: the same rounds as for the
//! admins of mandates, over every pair of the ways in which a SysAdmin is lost, with and without
//! the locks.

use serde_json::json;

use super::effort;
use super::overlap::race;
use crate::harness::app::PASSWORD;
use crate::harness::world::{Person, World};
use crate::harness::{Answer, TestApp, cluster};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The other one takes the flag.
    TakeFlag,
    /// The other one disables the account.
    Disable,
    /// They disable their own account.
    DisableOneself,
    /// The other one erases the account.
    Erase,
    /// They erase their own account.
    EraseOneself,
}

const WAYS: [Way; 5] =
    [Way::TakeFlag, Way::Disable, Way::DisableOneself, Way::Erase, Way::EraseOneself];

fn pairs() -> impl Iterator<Item = [Way; 2]> {
    (0..WAYS.len()).flat_map(|index| WAYS[index..].iter().map(move |second| [WAYS[index], *second]))
}

/// Two SysAdmins and nobody else who is one.
struct Arena {
    nodes: [TestApp; 2],
    sys_admins: [Person; 2],
}

impl Arena {
    async fn new() -> Self {
        let app = TestApp::start_on(cluster::database_with_slow_commits().await);
        let nodes = [app.clone(), app.another_node()];
        let world = World::in_app(app).await;
        let sys_admins = [world.stranger("first").await, world.stranger("second").await];
        let arena = Self { nodes, sys_admins };
        arena.reset().await;
        arena
    }

    fn actor(&self, way: Way, target: usize) -> &Person {
        &self.sys_admins[if matches!(way, Way::DisableOneself | Way::EraseOneself) {
            target
        } else {
            1 - target
        }]
    }

    async fn lose(&self, way: Way, target: usize) -> Answer {
        let (app, path) =
            (&self.nodes[target], format!("/api/users/{}", self.sys_admins[target].id));
        let call = match way {
            Way::TakeFlag => app.patch(path).json(json!({ "isSysAdmin": false })),
            Way::Disable | Way::DisableOneself => app.patch(path).json(json!({ "enabled": false })),
            Way::Erase => app.delete(format!("{path}?mode=erase")),
            Way::EraseOneself => {
                app.delete(format!("{path}?mode=erase")).json(json!({ "password": PASSWORD }))
            }
        };
        call.bearer(&self.actor(way, target).token).send().await
    }

    async fn reset(&self) {
        let ids = self.sys_admins.each_ref().map(|person| person.id);
        let names = self.sys_admins.each_ref().map(|person| person.name.as_str());
        let mut transaction = self.nodes[0].sql.acquire().await.unwrap();
        sqlx::query("set synchronous_commit = off").execute(&mut *transaction).await.unwrap();
        let living = "update users u set enabled = true, is_sys_admin = true, erased_at = null,
                        username = n.name, username_key = n.name,
                        password_hash = (select password_hash from users where username = 'root')
                      from unnest($1::uuid[], $2::text[]) n (id, name) where u.id = n.id";
        sqlx::query(living).bind(ids).bind(names).execute(&mut *transaction).await.unwrap();
        let nobody_else =
            "update users set is_sys_admin = false where is_sys_admin and id <> all ($1)";
        sqlx::query(nobody_else).bind(ids).execute(&mut *transaction).await.unwrap();
        let signed_in = "update sessions set revoked_at = null where user_id = any($1)
                           and revoked_at is not null";
        sqlx::query(signed_in).bind(ids).execute(&mut *transaction).await.unwrap();
    }

    /// How many of so many rounds left the platform without a SysAdmin.
    async fn rounds(&self, pair: [Way; 2], rounds: u64, locks: bool) -> usize {
        let mut orphans = 0;
        for round in 0..usize::try_from(rounds).unwrap() {
            self.reset().await;
            let raced =
                race(&self.nodes[0].sql, locks, self.lose(pair[0], 0), self.lose(pair[1], 1)).await;
            assert!(
                raced.overlapped,
                "a round that did not overlap shows nothing: {pair:?}, {round}"
            );
            let left = self.nodes[0]
                .count("select count(*) from users where is_sys_admin and enabled")
                .await;
            orphans += usize::from(left == 0);
            if locks {
                self.check_answers(pair, &raced.answers);
            }
        }
        orphans
    }

    /// One wins; the other is told that this was the last SysAdmin or, where the winner took the
    /// right from them, that.
    fn check_answers(&self, pair: [Way; 2], answers: &[Answer; 2]) {
        let won: Vec<usize> = (0..2).filter(|index| answers[*index].status.is_success()).collect();
        let [winner] = won[..] else { panic!("{pair:?}: {answers:?}") };
        let loser = 1 - winner;
        let lost_right = self.actor(pair[loser], loser).id == self.sys_admins[winner].id;
        match (lost_right, pair[winner]) {
            (false, _) => answers[loser].refused(409, "last_sys_admin"),
            (true, Way::TakeFlag) => answers[loser].refused(403, "permission_denied"),
            (true, _) => answers[loser].refused(401, "unauthenticated"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_changes_leave_the_platform_without_a_sys_admin() {
    let arena = Arena::new().await;
    for pair in pairs() {
        assert_eq!(arena.rounds(pair, effort::rounds(50), true).await, 0, "{pair:?}");
    }
}

/// The test of the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_locks_every_pair_ends_without_a_sys_admin_although_the_database_recounts() {
    let arena = Arena::new().await;
    for pair in pairs() {
        assert!(
            arena.rounds(pair, 10, false).await > 0,
            "this pair would not notice that the locks are gone: {pair:?}"
        );
    }
}
