//! The worlds that sequences start from: one mandate of random roles and holders, a foreign one,
//! and what else calls can name. Set by SQL, since making one over HTTP costs more than the
//! sequence.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use uuid::Uuid;

use super::super::cases::{Names, fill};
use crate::core::tables::{INSTANCE_TABLES, MANDATE_TABLES, lowered};
use crate::core::{self, Slice};
use crate::features::{self, Staged};
use crate::harness::TestApp;

/// Who takes part: positions in [`Theatre::people`]. Those between are delegates and members with
/// roles as they fall.
pub const SYS_ADMIN: usize = 0;
pub const OTHER_SYS_ADMIN: usize = 1;
pub const ADMIN: usize = 2;
/// Somebody who manages nearly everything and has level `g` somewhere, and somebody who may do
/// nothing and is near nobody: whom a delegate may touch at all, and would gain by.
const LEAD: usize = 5;
const GUEST: usize = 6;
pub const OUTSIDER: usize = 7;
const PEOPLE: [&str; 8] = ["sys", "sys-too", "admin", "ann", "ben", "cid", "dot", "eve"];

pub const TABLES: [&str; 2] = ["tickets", "notes"];
pub const VIEWS: [&str; 2] = ["board", "stats"];

/// What calls pick among all that is there. Slices that have other things get theirs as gates stage
/// them.
const PICKED: [&str; 16] = [
    "target", "admitted", "peer", "newcomer", "account", "deleted", "group", "circle", "role",
    "spare", "held", "kept", "template", "instance", "irole", "ispare",
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
}

/// A service with a database of its own and people who play in one world after the other.
pub struct Theatre {
    pub app: TestApp,
    pub people: Vec<Actor>,
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
            people.push(Actor { id, name, token: app.sign_in(name).await });
        }
        sqlx::raw_sql(SET_STAGE).execute(&app.sql).await.unwrap();
        let kept = "create table kept_session as select id from sessions; create table kept_role as
                      select id from roles;
                    create table kept_user as select * from users";
        sqlx::raw_sql(kept).execute(&app.sql).await.unwrap();
        Self { app, people }
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
        call_set_stage(&self.app.sql, &people, &script.rows).await;
        let staged = features::ALL[usize::try_from(seed).unwrap() % features::ALL.len()];
        let names = self.stage_feature(staged, scene, &people).await;
        (scene, staged.feature.code, names)
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
            ("peer", peer),
            ("word", "stage".to_owned()),
        ]);
        names.extend(
            others().flat_map(|slice| slice.ids).map(|id| (*id, Uuid::now_v7().to_string())),
        );
        let of_others: String = others().map(|slice| slice.rows).collect();
        let script = format!("{}{}{ALL_TO_OWNER};{of_others}", features::INSTANCE, staged.rows);
        let script = fill(&script, &staged.names_for(&names, &owner));
        self.app.sql.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.unwrap();
        names
    }
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

#[derive(Default)]
struct Rows {
    mandates: Vec<Value>,
    roles: Vec<Value>,
    memberships: Vec<Value>,
    member_roles: Vec<Value>,
    groups: Vec<Value>,
    group_members: Vec<Value>,
    instances: Vec<Value>,
    accesses: Vec<Value>,
    access_roles: Vec<Value>,
}

struct Script {
    random: StdRng,
    rows: Rows,
}

/// Random permissions of a scope, as bodies carry them; well-formed and of levels that the tables
/// know.
pub fn permissions(random: &mut StdRng, instance: bool) -> Value {
    let tables: Vec<&str> = if instance {
        TABLES.iter().chain(INSTANCE_TABLES.iter()).copied().collect()
    } else {
        MANDATE_TABLES.clone()
    };
    let mut rules = serde_json::Map::new();
    if random.random_bool(0.2) {
        rules.insert("*".to_owned(), rule(random, "*"));
    }
    for table in tables {
        if random.random_bool(0.45) {
            rules.insert(table.to_owned(), rule(random, table));
        }
    }
    let views: serde_json::Map<String, Value> = if instance {
        VIEWS
            .iter()
            .filter_map(|view| {
                if random.random_bool(0.5) {
                    Some(((*view).to_owned(), json!(random.random_bool(0.7))))
                } else {
                    None
                }
            })
            .collect()
    } else {
        serde_json::Map::new()
    };
    json!({ "tables": rules, "views": views })
}

fn rule(random: &mut StdRng, table: &str) -> Value {
    let mut level = || *[0, 1, 2, 2, 3, 3, 3, 3].choose(random).unwrap();
    let (read, create, update, delete) = (level(), level(), level(), level());
    let [read, create, update, delete] = [(0, read), (1, create), (2, update), (3, delete)]
        .map(|(operation, level)| lowered(table, operation, level));
    let letter = |level: u8| ["n", "m", "g", "a"][usize::from(level)];
    json!({
        "view": read > 0 || create > 0, "read": letter(read), "create": letter(create),
        "update": letter(update.min(read)), "delete": letter(delete.min(read)),
    })
}

impl Script {
    fn id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }

    fn write(&mut self, people: &[Uuid]) -> Scene {
        let (main, foreign, gone) = (
            self.mandate("main", false),
            self.mandate("foreign", false),
            self.mandate("gone", true),
        );
        let _ = gone;
        let templates: Vec<(Uuid, Value)> = (0..3).map(|number| self.template(number)).collect();
        let members: Vec<Uuid> = people
            .iter()
            .enumerate()
            .filter(|(index, _)| ![OTHER_SYS_ADMIN, OUTSIDER].contains(index))
            .map(|(_, id)| *id)
            .collect();
        self.people_main(main, people, &members);
        let (first, second) =
            (self.instance(main, "first", &templates), self.instance(main, "second", &templates));
        for (instance, roles) in [first, second] {
            let others: Vec<Uuid> =
                members.iter().copied().filter(|member| *member != people[GUEST]).collect();
            self.admit(main, instance, &others, &roles);
        }
        let strangers = [people[OTHER_SYS_ADMIN], people[OUTSIDER], people[4]];
        let admin = self
            .role(json!({ "mandate_id": foreign, "label": "admin", "protected": true }), &all());
        for stranger in strangers {
            let role = if stranger == people[OTHER_SYS_ADMIN] {
                admin
            } else {
                self.random_role(foreign, 0)
            };
            self.join(foreign, stranger, true, &[role]);
        }
        let (instance, roles) = self.instance(foreign, "abroad", &templates);
        self.admit(foreign, instance, &strangers, &roles);
        Scene { main, foreign }
    }

    /// Roles, members and groups of the main mandate.
    fn people_main(&mut self, main: Uuid, people: &[Uuid], members: &[Uuid]) {
        let admin =
            self.role(json!({ "mandate_id": main, "label": "admin", "protected": true }), &all());
        let roles: Vec<Uuid> = (1..=5).map(|number| self.random_role(main, number)).collect();
        for member in members {
            let is_admin = *member == people[ADMIN]
                || (*member == people[SYS_ADMIN] && self.random.random_bool(0.2));
            let count = self.random.random_range(1..=3);
            let mut held: Vec<Uuid> = roles.sample(&mut self.random, count).copied().collect();
            if *member == people[LEAD] {
                held = vec![self.lead(main)];
            } else if *member == people[GUEST] {
                held = vec![self.role(
                    json!({ "mandate_id": main, "label": "guest" }),
                    &json!({ "tables": {}, "views": {} }),
                )];
            }
            if is_admin {
                held.push(admin);
            }
            let enabled = is_admin || self.random.random_bool(0.92);
            self.join(main, *member, enabled, &held);
        }
        // Where everybody shares a group, no other brings anybody nearer to anybody.
        let all_share = self.random.random_bool(0.4);
        for (number, name) in ["everyone", "team", "crew"].into_iter().enumerate() {
            let group = self.id();
            self.rows.groups.push(
                json!({ "id": group, "mandate_id": main, "name": name, "auto_join": number == 0 }),
            );
            for member in members {
                let likely = if *member == people[LEAD] { 0.7 } else { 0.25 };
                let alone = *member == people[GUEST] && !all_share;
                if (number == 0 && all_share) || (self.random.random_bool(likely) && !alone) {
                    self.rows
                        .group_members
                        .push(json!({ "mandate_id": main, "group_id": group, "user_id": member }));
                }
            }
        }
    }

    /// A role that reaches all of every table but one, which it reaches by groups in part.
    fn lead(&mut self, main: Uuid) -> Uuid {
        let mut permissions = json!({ "tables": {}, "views": {} });
        for table in ["members", "groups", "roles", "instances"] {
            permissions["tables"][table] =
                json!({ "view": true, "read": "a", "create": "a", "update": "a", "delete": "a" });
        }
        let (table, operation) = [
            ("members", "delete"),
            ("groups", "delete"),
            ("instances", "delete"),
            ("roles", "update"),
            ("roles", "read"),
        ]
        .choose(&mut self.random)
        .unwrap();
        for operation in [*operation, "update", "delete"] {
            permissions["tables"][table][operation] = json!("g");
        }
        if *table != "roles" {
            permissions["tables"][table]["update"] = json!("a");
        }
        self.role(json!({ "mandate_id": main, "label": "lead" }), &permissions)
    }

    fn mandate(&mut self, name: &str, deleted: bool) -> Uuid {
        let id = self.id();
        self.rows.mandates.push(json!({ "id": id, "name": name, "deleted": deleted }));
        id
    }

    fn role(&mut self, mut row: Value, permissions: &Value) -> Uuid {
        let id = self.id();
        row["id"] = json!(id);
        row["tables"] = permissions["tables"].clone();
        row["views"] = permissions["views"].clone();
        self.rows.roles.push(row);
        id
    }

    fn random_role(&mut self, mandate: Uuid, number: usize) -> Uuid {
        let permissions = permissions(&mut self.random, false);
        let label = format!("role {number} {}", self.random.random::<u32>());
        self.role(json!({ "mandate_id": mandate, "label": label }), &permissions)
    }

    fn template(&mut self, number: usize) -> (Uuid, Value) {
        let permissions = permissions(&mut self.random, true);
        (
            self.role(
                json!({ "feature_code": "desk", "label": format!("desk {number}") }),
                &permissions,
            ),
            permissions,
        )
    }

    fn join(&mut self, mandate: Uuid, user: Uuid, enabled: bool, roles: &[Uuid]) {
        self.rows
            .memberships
            .push(json!({ "mandate_id": mandate, "user_id": user, "enabled": enabled }));
        self.rows.member_roles.extend(
            roles
                .iter()
                .map(|role| json!({ "mandate_id": mandate, "user_id": user, "role_id": role })),
        );
    }

    /// An instance with copies of the templates, some of them changed since, one template not
    /// copied yet, and a role made by hand.
    fn instance(
        &mut self,
        mandate: Uuid,
        label: &str,
        templates: &[(Uuid, Value)],
    ) -> (Uuid, Vec<Uuid>) {
        let id = self.id();
        self.rows.instances.push(json!({ "id": id, "mandate_id": mandate, "label": label }));
        let mut roles = Vec::new();
        let row = |label: &str, template: Option<Uuid>| {
            json!({
                "mandate_id": mandate, "instance_id": id, "feature_code": "desk", "label": label,
                "template_role_id": template,
            })
        };
        for (number, (template, original)) in templates.iter().enumerate().skip(1) {
            let permissions = if self.random.random_bool(0.5) {
                original.clone()
            } else {
                permissions(&mut self.random, true)
            };
            roles.push(self.role(row(&format!("desk {number}"), Some(*template)), &permissions));
        }
        // Its template is gone.
        let orphan = self.id();
        let permissions_of_orphan = permissions(&mut self.random, true);
        roles.push(self.role(row("orphan", Some(orphan)), &permissions_of_orphan));
        let by_hand = permissions(&mut self.random, true);
        roles.push(self.role(row("by hand", None), &by_hand));
        (id, roles)
    }

    fn admit(&mut self, mandate: Uuid, instance: Uuid, members: &[Uuid], roles: &[Uuid]) {
        for member in members {
            if self.random.random_bool(0.4) {
                continue;
            }
            let enabled = self.random.random_bool(0.85);
            self.rows.accesses.push(json!({
                "mandate_id": mandate, "instance_id": instance, "user_id": member,
                "enabled": enabled,
            }));
            let count = self.random.random_range(1..=2);
            for role in roles.sample(&mut self.random, count) {
                self.rows.access_roles.push(json!({
                    "mandate_id": mandate, "instance_id": instance, "user_id": member,
                    "role_id": role,
                }));
            }
        }
    }
}

fn all() -> Value {
    json!({
        "tables": { "*": { "view": true, "read": "a", "create": "a", "update": "a",
        "delete": "a" } }, "views": {},
    })
}

const ALL_TO_OWNER: &str = "insert into access_roles (mandate_id, instance_id, user_id, role_id)
    values ('$mandate', '$place', '$owner', md5('$place' || 'all')::uuid)";

/// Takes down what the sequence before built, and sets what the rows say.
const SET_STAGE: &str = include_str!("set_stage.sql");
