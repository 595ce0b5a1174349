//! Orders of lists: by creation is by time, whatever the ids; and every row can be walked past,
//! however long its name.

use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::kit::{Desk, follow};
use crate::harness::World;

/// Acme's admin in an instance of bookings, and of playbooks.
pub struct Shelves<'a> {
    world: &'a World,
    bookings: Uuid,
}

impl<'a> Shelves<'a> {
    pub async fn new(world: &'a World) -> Self {
        let acme = &world.acme;
        world.admit(acme, acme.admin.id, &[acme.instance_role("playbooks-admin")]).await;
        let body = json!({
            "featureCode": "bookings", "label": "Rooms", "grantCreatorRole": "bookings-admin",
        });
        let bookings = world.admin().post("/api/features/instances", body).await.id();
        Self { world, bookings }
    }

    fn desk(&self, path: &str) -> Desk<'a> {
        match path {
            "/api/mandates" | "/api/users" | "/api/audit" => self.world.root(),
            "/api/playbooks" => self.world.admin().in_instance(self.world.acme.instance),
            "/api/bookings" => self.world.admin().in_instance(self.bookings),
            _ => self.world.admin(),
        }
    }

    pub async fn sql(&self, script: &str) {
        let acme = &self.world.acme;
        let names = [
            ("$mandate", acme.id),
            ("$instance", acme.instance),
            ("$bookings", self.bookings),
            ("$admin", acme.admin.id),
        ];
        let script = names
            .iter()
            .fold(script.to_owned(), |script, (name, id)| script.replace(name, &id.to_string()));
        self.world.app.sql.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.unwrap();
    }

    /// The same list in pages of several sizes and in both directions; answers the list.
    pub async fn walk(&self, path: &str, sort: &str) -> Vec<Value> {
        let desk = self.desk(path);
        let whole = follow(format!("{path}?limit=200&sort={sort}"), async |url: String| {
            desk.get(url).await
        })
        .await;
        let total =
            desk.get(format!("{path}?limit=1&count=true&sort={sort}")).await.expect(200)["total"]
                .as_u64();
        for limit in [1, 2, 3] {
            let found = follow(format!("{path}?limit={limit}&sort={sort}"), async |url: String| {
                desk.get(url).await
            })
            .await;
            assert!(found == whole, "{path} by {sort}, {limit} to a page");
            let mut reversed =
                follow(format!("{path}?limit={limit}&sort=-{sort}"), async |url: String| {
                    desk.get(url).await
                })
                .await;
            reversed.reverse();
            assert!(reversed == whole, "{path} by -{sort}, {limit} to a page");
        }
        assert_eq!(total, Some(whole.len() as u64), "{path}");
        whole
    }
}

/// Seven rows of everything that is listed by creation: two at a time in the same microsecond, and
/// in another order than their ids.
const OUT_OF_ORDER: &str = "
    create temporary table rows as
      select n, md5('row' || n)::uuid as id,
        timestamptz '2026-01-01T00:00:00Z' + (n * 5 % 7 / 2) * interval '1 microsecond' as at
      from generate_series(1, 7) n;
    insert into users (id, username, username_key, created_at) select id, 'user-' || n,
      'user-' || n, at from rows;
    insert into mandates (id, name, name_key, code, code_key, created_at, updated_at)
      select id, 'row', 'row', 'row-' || n, 'row-' || n, at, at from rows;
    insert into memberships (id, mandate_id, user_id, created_at) select md5(id::text)::uuid,
      '$mandate', id, at from rows;
    insert into playbooks (id, mandate_id, instance_id, owner_id, name, name_key, title, title_key,
        created_at, updated_at)
      select id, '$mandate', '$instance', '$admin', 'row ' || n, 'row ' || n, 'row', 'row', at, at
        from rows;
    insert into bookings (id, mandate_id, instance_id, owner_id, event_time, duration_minutes,
        topic, street, city, country, created_at)
      select id, '$mandate', '$bookings', '$admin', at + interval '900 years', 60, 'row', 'row',
        'row', 'CH', at from rows;
    insert into audit_events (id, at, mandate_id, action, resource_type)
      select id, at, '$mandate'::uuid, 'role_updated', 'role' from rows
        union all select md5(id::text)::uuid, at, null, 'role_updated', 'role' from rows;
    drop table rows";

#[tokio::test]
async fn by_creation_is_by_time_and_among_equals_by_id() {
    let world = World::new().await;
    let shelves = Shelves::new(&world).await;
    shelves.sql(OUT_OF_ORDER).await;
    let (members, trail) = (world.acme.path("/users"), world.acme.path("/audit"));
    for (path, sort, id) in [
        ("/api/mandates", "createdAt", "id"),
        ("/api/users", "createdAt", "id"),
        (&members, "createdAt", "userMandateId"),
        ("/api/playbooks", "createdAt", "id"),
        ("/api/bookings", "createdAt", "id"),
        ("/api/bookings", "eventTime", "id"),
        (&trail, "at", "id"),
        ("/api/audit", "at", "id"),
    ] {
        let rows = shelves.walk(path, sort).await;
        let place = |row: &Value| {
            let time =
                DateTime::<FixedOffset>::parse_from_rfc3339(row[sort].as_str().unwrap()).unwrap();
            (time, row[id].as_str().unwrap().parse::<Uuid>().unwrap())
        };
        let places: Vec<_> = rows.iter().map(place).collect();
        assert!(places.len() >= 7 && places.is_sorted(), "{path} by {sort}: {places:?}");
        assert!(
            places.windows(2).any(|two| two[0].0 == two[1].0),
            "{path} by {sort}: no two of one time"
        );
        let ids: Vec<_> = places.iter().map(|(_, id)| id).collect();
        assert!(!ids.is_sorted(), "{path} by {sort}: ids agree with the times");
    }
    // Newest first where nobody says otherwise.
    let newest = world.admin().get(trail).await.expect(200);
    let times: Vec<_> = newest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["at"].as_str().unwrap().to_owned())
        .collect();
    assert!(times[0] > times[times.len() - 1], "{times:?}");
}

/// As names were stored when only their characters were counted: six whose keys are 7 KB long and
/// begin alike, and two about whose order there is no doubt.
const LONG_NAMES: &str = "
    create temporary table rows as
      select n, md5('row' || n)::uuid as id, 'm' || repeat(U&'\\FDFA', 190) || n as name,
             'm' || repeat('صلى الله عليه وسلم', 220) || n as key from generate_series(1, 6) n
      union all select 7, md5('row7')::uuid, 'l', 'l' union all select 8, md5('row8')::uuid, 'n',
        'n';
    insert into mandates (id, name, name_key, code, code_key, created_at, updated_at)
      select id, name, key, 'row-' || n, 'row-' || n, now(), now() from rows;
    insert into groups (id, mandate_id, name, name_key, created_at) select id, '$mandate', name,
      key, now() from rows;
    insert into roles (id, scope, mandate_id, label, label_key, created_at) select id, 'mandate',
      '$mandate', name, key, now() from rows;
    insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key,
        created_at)
      select md5(id::text)::uuid, 'instance', '$mandate', '$instance', 'playbooks', name, key, now()
        from rows;
    insert into feature_instances (id, mandate_id, feature_code, label, label_key, created_at)
      select id, '$mandate', 'playbooks', name, key, now() from rows;
    insert into playbooks (id, mandate_id, instance_id, owner_id, name, name_key, title, title_key,
        created_at, updated_at)
      select id, '$mandate', '$instance', '$admin', name, key, name, key, now(), now() from rows;
    drop table rows";

#[tokio::test]
async fn rows_with_keys_longer_than_a_cursor_are_walked_past() {
    let world = World::new().await;
    let shelves = Shelves::new(&world).await;
    shelves.sql(LONG_NAMES).await;
    let acme = &world.acme;
    for (path, sort) in [
        ("/api/mandates".to_owned(), "name"),
        (acme.path("/groups"), "name"),
        (acme.path("/roles"), "label"),
        (acme.instance_path("/roles"), "label"),
        ("/api/features/instances".to_owned(), "label"),
        ("/api/playbooks".to_owned(), "name"),
    ] {
        let rows = shelves.walk(&path, sort).await;
        let names: Vec<_> = rows
            .iter()
            .map(|row| row[sort].as_str().unwrap().chars().take(2).collect::<String>())
            .collect();
        let own: Vec<_> = names
            .iter()
            .filter(|name| ["l", "n", "m\u{fdfa}"].contains(&name.as_str()))
            .map(String::as_str)
            .collect();
        assert_eq!(
            own,
            [
                "l",
                "m\u{fdfa}",
                "m\u{fdfa}",
                "m\u{fdfa}",
                "m\u{fdfa}",
                "m\u{fdfa}",
                "m\u{fdfa}",
                "n"
            ],
            "{path}"
        );
    }
}
