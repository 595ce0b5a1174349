//! Worlds in the database. Set by SQL, since making one over HTTP costs more than asking about it;
//! earlier worlds stay, in mandates of their own.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::{Mutex, MutexGuard};

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use super::super::reference::{Question, Role, World};
use super::guard::{self, Probe};
use super::worlds::{self, DEN, Maker, id};
use crate::harness::TestApp;
use crate::harness::world::Person;

/// A service with a database of its own, and people whose accounts are in every world. The first
/// one oversees: they may do everything everywhere.
pub struct Theatre {
    pub app: TestApp,
    people: Mutex<Vec<Person>>,
    root: String,
}

/// What a member has alone: rows of mandate tables that are as near as the member is.
pub struct Own {
    pub group: Uuid,
    pub role: Uuid,
    pub instance: Uuid,
}

/// A world with rows that questions can be about.
pub struct Stage {
    pub world: World,
    pub overseer: Uuid,
    /// The roles that are protected.
    pub protected: Vec<Uuid>,
    /// By mandate and member.
    pub own: BTreeMap<(Uuid, Uuid), Own>,
}

/// A question that a request can put to a guard.
#[derive(Clone)]
pub struct Drawn {
    /// Of the world.
    pub seed: u64,
    pub question: Question,
    /// Who asks it.
    pub asker: Uuid,
    /// Whether the header leaves the instance out, which is the only one that it can be.
    pub bare: bool,
    /// The row that it is about, where it has an owner.
    pub row: Uuid,
    pub probe: Probe,
}

impl Display for Drawn {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { seed, question, asker, bare, probe, .. } = self;
        let instance = if *bare { " (not named)" } else { "" };
        write!(
            formatter,
            "{question:?}{instance}, asked by {asker} and by {probe:?} (REFERENCE_SEED={seed})"
        )
    }
}

impl Theatre {
    pub async fn open() -> Self {
        let app = TestApp::start().await;
        let mut people = Vec::new();
        for name in ["overseer", "ann", "ben", "cid", "dot", "eve"] {
            people.push(Person {
                id: app.account(name, false).await,
                name: name.to_owned(),
                token: app.sign_in(name).await,
            });
        }
        sqlx::raw_sql(PLACE_WORLD).execute(&app.sql).await.unwrap();
        app.account("root", true).await;
        let root = app.sign_in("root").await;
        Self { app, people: Mutex::new(people), root }
    }

    fn people(&self) -> MutexGuard<'_, Vec<Person>> {
        self.people.lock().unwrap()
    }

    pub fn token(&self, user: Uuid) -> String {
        self.people().iter().find(|person| person.id == user).unwrap().token.clone()
    }

    /// A SysAdmin's, who is in no world.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// After an account was enabled, which ends its sessions.
    pub async fn sign_in_again(&self, user: Uuid) {
        let name = self.people().iter().find(|person| person.id == user).unwrap().name.clone();
        let token = self.app.sign_in(&name).await;
        self.people().iter_mut().find(|person| person.id == user).unwrap().token = token;
    }

    pub fn stage(&self, random: &mut StdRng) -> Stage {
        let people: Vec<Uuid> = self.people().iter().map(|person| person.id).collect();
        let mut maker = Maker::new(random, 0.03, &people[1..]);
        maker.mandate(2);
        maker.mandate(3);
        let mut stage = Stage {
            world: maker.shuffled(),
            overseer: people[0],
            protected: Vec::new(),
            own: BTreeMap::new(),
        };
        stage.furnish(random);
        stage.let_oversee(random);
        stage
    }

    pub async fn place(&self, stage: &Stage, drawn: &[Drawn]) {
        let rows: Vec<Value> = drawn.iter().filter_map(row).collect();
        let place = sqlx::query("select place_world($1, $2, $3)")
            .bind(Json(&stage.world))
            .bind(Json(rows))
            .bind(&stage.protected);
        place.execute(&self.app.sql).await.unwrap();
    }
}

/// Tables of features get a row for each question; those of mandates have them already.
fn row(drawn: &Drawn) -> Option<Value> {
    let Question { mandate, instance, table, owner, .. } = drawn.question;
    Some(json!({
        "id": drawn.row, "mandate": mandate, "instance": instance?, "table": table,
        "owner": owner?,
    }))
}

impl Stage {
    fn furnish(&mut self, random: &mut StdRng) {
        for (mandate, user, _) in self.world.memberships.clone() {
            let own = Own { group: id(random), role: id(random), instance: id(random) };
            self.world.groups.push((own.group, mandate, vec![user]));
            self.hold(
                mandate,
                user,
                Role {
                    id: own.role,
                    label: format!("badge {}", own.role),
                    place: mandate,
                    rules: Vec::new(),
                    views: Vec::new(),
                },
            );
            self.world.instances.push((own.instance, mandate, DEN, true));
            self.world.admissions.push((own.instance, user, true));
            self.own.insert((mandate, user), own);
        }
    }

    fn let_oversee(&mut self, random: &mut StdRng) {
        self.world.users.push((self.overseer, true));
        for (mandate, ..) in self.world.mandates.clone() {
            self.world.memberships.push((mandate, self.overseer, true));
            let admin = Role {
                id: id(random),
                label: "admin".to_owned(),
                place: mandate,
                rules: vec![("*", true, [3; 4])],
                views: Vec::new(),
            };
            self.protected.push(admin.id);
            self.hold(mandate, self.overseer, admin);
        }
        let instances = self.world.instances.iter().filter(|row| row.2 != DEN);
        self.world.admissions.extend(instances.map(|row| (row.0, self.overseer, true)));
    }

    fn hold(&mut self, place: Uuid, user: Uuid, role: Role) {
        debug_assert_eq!(place, role.place);
        self.world.held.push((role.id, user));
        self.world.roles.push(role);
    }

    /// A random question that a request can put.
    pub fn draw(&self, seed: u64, random: &mut StdRng) -> Drawn {
        loop {
            let question = worlds::question(random, &self.world);
            // Most say the same of who is not let in: few of them will do.
            if !self.world.is_alive(question.user, question.mandate, question.instance)
                && random.random_bool(0.7)
            {
                continue;
            }
            let row = id(random);
            if let Some(probe) = guard::probe(self, &question, row) {
                let bare = random.random_bool(0.5) && self.is_the_only_instance(&question);
                return Drawn {
                    seed,
                    asker: self.asker(random, &question),
                    question,
                    bare,
                    row,
                    probe,
                };
            }
        }
    }

    fn asker(&self, random: &mut StdRng, question: &Question) -> Uuid {
        match random.random_range(0..10) {
            0..4 => question.user,
            4..7 => self.overseer,
            _ => self.world.users[random.random_range(0..self.world.users.len())].0,
        }
    }

    /// Whether no other instance of the feature is open to whom the question is about.
    fn is_the_only_instance(&self, question: &Question) -> bool {
        let Some(instance) = question.instance else { return false };
        let feature = self.feature(instance);
        let of_feature =
            self.world.instances.iter().filter(|row| row.1 == question.mandate && row.2 == feature);
        let open: Vec<Uuid> = of_feature
            .map(|row| row.0)
            .filter(|other| self.world.is_alive(question.user, question.mandate, Some(*other)))
            .collect();
        open == [instance]
    }

    pub fn feature(&self, instance: Uuid) -> &'static str {
        self.world.instances.iter().find(|row| row.0 == instance).unwrap().2
    }
}

const PLACE_WORLD: &str = "
insert into features (code, label, icon, created_at) values ('den', '{}', 'mdi-paw', now());
create function place_world(world jsonb, data jsonb,
    protected uuid[]) returns void language plpgsql as $$
begin
  update users u set enabled = (e ->> 1)::bool from jsonb_array_elements(world -> 'users') e
    where u.id = (e ->> 0)::uuid and u.enabled <> (e ->> 1)::bool;
  insert into mandates (id, name, name_key, code, code_key, enabled, created_at, updated_at,
      deleted_at, purge_at)
    select (e ->> 0)::uuid, e ->> 0, e ->> 0, e ->> 0, e ->> 0, (e ->> 1)::bool, now(), now(), case
      when (e ->> 2)::bool then now() end,
      case when (e ->> 2)::bool then now() + interval '30 days' end
    from jsonb_array_elements(world -> 'mandates') e;
  insert into memberships (id, mandate_id, user_id, enabled, first_used_at, created_at)
    select gen_random_uuid(), (e ->> 0)::uuid, (e ->> 1)::uuid, (e ->> 2)::bool, now(), now()
      from jsonb_array_elements(world -> 'memberships') e;
  insert into feature_instances (id, mandate_id, feature_code, label, label_key, enabled,
      created_at)
    select (e ->> 0)::uuid, (e ->> 1)::uuid, e ->> 2, e ->> 0, e ->> 0, (e ->> 3)::bool, now()
      from jsonb_array_elements(world -> 'instances') e;
  insert into feature_accesses (mandate_id, instance_id, user_id, enabled, created_at)
    select i.mandate_id, i.id, (e ->> 1)::uuid, (e ->> 2)::bool, now()
    from jsonb_array_elements(world -> 'admissions') e
      join feature_instances i on i.id = (e ->> 0)::uuid;
  insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key, protected,
      created_at)
    select (e ->> 'id')::uuid, case when i.id is null then 'mandate' else 'instance' end,
      coalesce(i.mandate_id, (e ->> 'place')::uuid), i.id,
      i.feature_code, e ->> 'label', e ->> 'label', (e ->> 'id')::uuid = any (protected), now()
    from jsonb_array_elements(world -> 'roles') e left
      join feature_instances i on i.id = (e ->> 'place')::uuid;
  insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level,
      create_level, update_level, delete_level)
    select r.id, r.scope, r.mandate_id, p ->> 0, (p ->> 1)::bool, (p -> 2 ->> 0)::int,
      (p -> 2 ->> 1)::int, (p -> 2 ->> 2)::int, (p -> 2 ->> 3)::int
    from jsonb_array_elements(world -> 'roles') e join roles r on r.id = (e ->> 'id')::uuid cross
      join jsonb_array_elements(e -> 'rules') p;
  insert into role_views (role_id, scope, mandate_id, view_name, allowed)
    select r.id, r.scope, r.mandate_id, v ->> 0, (v ->> 1)::bool
    from jsonb_array_elements(world -> 'roles') e join roles r on r.id = (e ->> 'id')::uuid cross
      join jsonb_array_elements(e -> 'views') v;
  insert into member_roles (mandate_id, user_id, role_id)
    select r.mandate_id, (e ->> 1)::uuid, r.id
    from jsonb_array_elements(world -> 'held') e join roles r on r.id = (e ->> 0)::uuid
      where r.scope = 'mandate';
  insert into access_roles (mandate_id, instance_id, user_id, role_id)
    select r.mandate_id, r.instance_id, (e ->> 1)::uuid, r.id
    from jsonb_array_elements(world -> 'held') e join roles r on r.id = (e ->> 0)::uuid
      where r.scope = 'instance';
  insert into groups (id, mandate_id, name, name_key, created_at)
    select (e ->> 0)::uuid, (e ->> 1)::uuid, e ->> 0, e ->> 0, now()
      from jsonb_array_elements(world -> 'groups') e;
  insert into group_members (mandate_id, group_id, user_id)
    select (e ->> 1)::uuid, (e ->> 0)::uuid, m::uuid from jsonb_array_elements(world -> 'groups') e
      cross join jsonb_array_elements_text(e -> 2) m;
  insert into audit_events (id, at, actor_id, mandate_id, action, resource_type)
    select gen_random_uuid(), now(), (u ->> 0)::uuid, (m ->> 0)::uuid, 'staged', 'world'
    from jsonb_array_elements(world -> 'users') u cross
      join jsonb_array_elements(world -> 'mandates') m;
  perform place_row((e ->> 'id')::uuid, (e ->> 'mandate')::uuid, (e ->> 'instance')::uuid,
      e ->> 'table', (e ->> 'owner')::uuid)
    from jsonb_array_elements(data) e;
end $$;
create function place_row(id uuid, mandate uuid, instance uuid, kind text,
    owner uuid) returns void language plpgsql as $$
begin
  if kind = 'entries' then
    insert into journal_entries (id, mandate_id, instance_id, owner_id, text)
      values (id, mandate, instance, owner, 'staged');
  else
    insert into playbooks (id, mandate_id, instance_id, owner_id, name, name_key, title, title_key,
        latest_version, created_at, updated_at)
      values (id, mandate, instance, owner, 'row ' || id, 'row ' || id, 'Staged', 'staged', 1,
          now(), now());
    insert into playbook_versions (mandate_id, instance_id, playbook_id, number, owner_id, size,
        created_at, updated_at)
      values (mandate, instance, id, 1, owner, 6, now(), now());
    insert into playbook_revisions (mandate_id, instance_id, playbook_id, number, revision,
        author_id, created_at, size, content)
      values (mandate, instance, id, 1, 1, owner, now(), 6, 'staged');
  end if;
end $$";
