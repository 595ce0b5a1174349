//! The worlds that sequences start from: one mandate of random roles and holders, a foreign one,
//! and what else calls can name. Set by SQL, since making one over HTTP costs more than the
//! sequence.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use uuid::Uuid;

use super::super::cases::{Names, fill};
use super::script::{ALL_TO_OWNER, Rows, Script};
use crate::core::{self, Slice};
use crate::features::{self, Staged};
use crate::harness::TestApp;
use crate::harness::app::session_of;
use crate::slices::refresh::{Pair, signed_in};

/// Who takes part: positions in [`Theatre::people`]. Those between are delegates and members with
/// roles as they fall.
pub const SYS_ADMIN: usize = 0;

pub const OTHER_SYS_ADMIN: usize = 1;

pub const ADMIN: usize = 2;

/// Somebody who manages nearly everything and has level `g` somewhere, and somebody who may do
/// nothing and is near nobody: whom a delegate may touch at all, and would gain by.
pub const LEAD: usize = 5;

pub const GUEST: usize = 6;

pub const OUTSIDER: usize = 7;

const PEOPLE: [&str; 8] = ["sys", "sys-too", "admin", "ann", "ben", "cid", "dot", "eve"];

pub const TABLES: [&str; 2] = ["tickets", "notes"];

pub const VIEWS: [&str; 2] = ["board", "stats"];

/// What calls pick among all that is there. Slices that have other things get theirs as gates stage
/// them.
const PICKED: [&str; 17] = [
    "target",
    "admitted",
    "peer",
    "newcomer",
    "account",
    "deleted",
    "group",
    "circle",
    "role",
    "spare",
    "held",
    "kept",
    "template",
    "instance",
    "irole",
    "ispare",
    "invitation",
];

fn others() -> impl Iterator<Item = &'static Slice> {
    let is_other = |slice: &&&Slice| !slice.ids.iter().any(|id| PICKED.contains(id));
    core::ALL.iter().filter(|slice| !slice.ids.is_empty()).filter(is_other).copied()
}

/// Each has a database of its own; more than there are cores, since half of the time is spent
/// waiting for PostgreSQL.
const THEATRES: usize = 4;

/// Plays the worlds of so many seeds, shared out among theatres; what each theatre noted.
pub fn play_all<T: Default + Send>(
    seeds: std::ops::Range<u64>,
    play: impl AsyncFn(&Theatre, u64, &mut T) + Sync,
) -> Vec<T> {
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|threads| {
        let theatres: Vec<_> =
            (0..THEATRES).map(|_| threads.spawn(|| perform(seeds.end, &next, &play))).collect();
        theatres.into_iter().map(|theatre| theatre.join().unwrap()).collect()
    })
}

/// One theatre, on a thread of its own: calls come one after the other there, so that several
/// threads would only wake each other.
#[tokio::main(flavor = "current_thread")]
async fn perform<T: Default>(
    end: u64,
    next: &AtomicU64,
    play: &impl AsyncFn(&Theatre, u64, &mut T),
) -> T {
    let mut noted = T::default();
    let theatre = Theatre::open().await;
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end {
            return noted;
        }
        play(&theatre, seed, &mut noted).await;
    }
}

/// Somebody with a token that stays good.
pub struct Actor {
    pub id: Uuid,
    pub name: &'static str,
    pub token: String,
    pub session: Uuid,
    pub refresh: String,
}

/// A service with a database of its own and people who play in one world after the other.
pub struct Theatre {
    pub app: TestApp,
    pub people: Vec<Actor>,
    /// Takes no part, and forgets passwords.
    forgetful: Uuid,
}

/// The mandate of a sequence, and one that is foreign to most.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub main: Uuid,
    pub foreign: Uuid,
}

impl Theatre {
    pub async fn open() -> Self {
        let app = TestApp::start().await;
        let mut people = Vec::new();
        for (index, name) in PEOPLE.into_iter().enumerate() {
            let id = app.account(name, index <= OTHER_SYS_ADMIN).await;
            let Pair { access, refresh } = signed_in(&app, name).await;
            let session = session_of(&access);
            people.push(Actor { id, name, token: access, session, refresh });
        }
        let forgetful = app.account("forgetful", false).await;
        sqlx::raw_sql(SET_STAGE).execute(&app.sql).await.unwrap();
        let kept = "create table kept_session as select id from sessions; create table kept_role as
                      select id from roles;
                    create table kept_user as select * from users";
        sqlx::raw_sql(kept).execute(&app.sql).await.unwrap();
        Self { app, people, forgetful }
    }

    /// Sets the world of a seed, and in its main mandate the rows of one feature.
    pub async fn set(&self, seed: u64) -> (Scene, &'static str, Names) {
        // What earlier worlds left behind would be read over and over.
        if seed.is_multiple_of(40) {
            sqlx::raw_sql("vacuum").execute(&self.app.sql).await.unwrap();
        }
        let mut script = Script { random: StdRng::seed_from_u64(seed), rows: Rows::default() };
        let people: Vec<Uuid> = self.people.iter().map(|actor| actor.id).collect();
        let scene = script.write(&people);
        let kept: Vec<Uuid> = people.iter().copied().chain([self.forgetful]).collect();
        call_set_stage(&self.app.sql, &kept, &script.rows).await;
        let staged = features::ALL[usize::try_from(seed).unwrap() % features::ALL.len()];
        self.invite(scene, seed, &people).await;
        let names = self.stage_feature(staged, scene, &people).await;
        (scene, staged.feature.code, names)
    }

    /// Some are invited already: the outsider by one of those in the mandate, and strangers.
    async fn invite(&self, scene: Scene, seed: u64, people: &[Uuid]) {
        let giver = usize::try_from(seed).unwrap() % (OUTSIDER - ADMIN) + ADMIN;
        let (outsider, [admin, giver]) = (PEOPLE[OUTSIDER], [people[ADMIN], people[giver]]);
        let invited =
            [(outsider, giver), ("stranger", admin), ("nobody", giver), ("no-one", admin)];
        for (index, (name, by)) in invited.into_iter().enumerate() {
            let statement = "insert into invitations (id, mandate_id, email, email_key, role_ids,
                                 instances, invited_by, created_at, expires_at)
                             select $1, $2, $3, $3, array[r.id], '[]', $4, now(),
                                 now() + interval '3 days'
                             from roles r where r.mandate_id = $2 and r.scope = 'mandate'
                             order by r.id offset $5 % (select count(*) from roles o
                                 where o.mandate_id = $2 and o.scope = 'mandate') limit 1";
            sqlx::query(statement)
                .bind(Uuid::now_v7())
                .bind(scene.main)
                .bind(format!("{name}@example.com"))
                .bind(by)
                .bind(i64::try_from(seed).unwrap() + i64::try_from(index).unwrap())
                .execute(&self.app.sql)
                .await
                .unwrap();
        }
    }

    /// The admin may do everything there, and so may the first of the others; the second is
    /// admitted to nothing.
    async fn stage_feature(&self, staged: &Staged, scene: Scene, people: &[Uuid]) -> Names {
        let mut names = Names::new();
        staged.name(&mut names);
        let [admin, owner, peer] =
            [ADMIN, ADMIN + 1, ADMIN + 2].map(|index| people[index].to_string());
        names.extend([
            ("mandate", scene.main.to_string()),
            ("admin", admin),
            ("acted", peer.clone()),
            ("peer", peer),
            ("word", "stage".to_owned()),
            ("session", self.people[ADMIN + 2].session.to_string()),
            ("ownsession", self.people[ADMIN].session.to_string()),
            ("refresh", self.people[ADMIN + 1].refresh.clone()),
            ("registertoken", self.app.registration_token(&unique_name()).await),
            ("resettoken", self.app.reset_token(self.forgetful).await),
            ("invitetoken", "bwm_nobodys".to_owned()),
        ]);
        names.extend(
            others().flat_map(|slice| slice.ids).map(|id| (*id, Uuid::now_v7().to_string())),
        );
        let of_others: String = others().map(|slice| slice.rows).collect();
        let script = format!(
            "{}{}{ALL_TO_OWNER};{of_others}{ALL_ALLOW_IMPERSONATION}",
            features::INSTANCE,
            staged.rows
        );
        let script = fill(&script, &staged.names_for(&names, &owner));
        self.app.sql.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.unwrap();
        names
    }
}

fn unique_name() -> String {
    format!("r{}", &Uuid::new_v4().simple().to_string()[..12])
}

async fn call_set_stage(sql: &PgPool, people: &[Uuid], rows: &Rows) {
    let rows = json!({
        "mandates": rows.mandates, "roles": rows.roles, "memberships": rows.memberships,
            "member_roles": rows.member_roles,
        "groups": rows.groups, "group_members": rows.group_members, "instances": rows.instances,
            "accesses": rows.accesses,
        "access_roles": rows.access_roles,
    });
    let sys_admins = &people[..=OTHER_SYS_ADMIN];
    sqlx::query("select set_stage($1, $2, $3)")
        .bind(people)
        .bind(sys_admins)
        .bind(Json(rows))
        .execute(sql)
        .await
        .unwrap();
}

/// And each SysAdmin acts as somebody already.
const ALL_ALLOW_IMPERSONATION: &str = ";
    update mandates set allow_impersonation = true;
    insert into sessions (id, user_id, created_at, expires_at, impersonated_by, impersonated_in)
    select gen_random_uuid(), '$acted', now(), now() + interval '15 minutes', s.user_id, s.id
    from sessions s join users u on u.id = s.user_id
    where u.is_sys_admin and s.impersonated_by is null";

/// Takes down what the sequence before built, and sets what the rows say.
const SET_STAGE: &str = include_str!("set_stage.sql");
