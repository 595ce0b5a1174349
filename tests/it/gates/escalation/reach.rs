//! What everybody may do, computed from the tables by code that shares nothing with the service's
//! own: slow, plain, one rule after the other as the access model words them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::tables::{self, INSTANCE_TABLES, MANDATE_TABLES};

const WILDCARD: &str = "*";
/// The protected role is within nobody's access but an admin's: a table of its own here.
const ADMIN: &str = "@admin";

/// Everything that access depends on, as it is stored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Snapshot {
    /// Id, and whether the account has the flag.
    pub users: Vec<(Uuid, bool)>,
    /// Id, and whether it is deleted.
    pub mandates: Vec<(Uuid, bool)>,
    /// Mandate, user, enabled.
    pub memberships: Vec<(Uuid, Uuid, bool)>,
    /// Mandate, user, role.
    pub member_roles: Vec<(Uuid, Uuid, Uuid)>,
    /// Mandate, group.
    pub groups: Vec<(Uuid, Uuid)>,
    /// Mandate, group, user.
    pub group_members: Vec<(Uuid, Uuid, Uuid)>,
    /// Code, tables, views.
    pub features: Vec<(String, Vec<String>, Vec<String>)>,
    /// Mandate, instance, feature.
    pub instances: Vec<(Uuid, Uuid, String)>,
    /// Instance, user, enabled.
    pub accesses: Vec<(Uuid, Uuid, bool)>,
    /// Instance, user, role.
    pub access_roles: Vec<(Uuid, Uuid, Uuid)>,
    pub roles: Vec<Role>,
    pub invitations: Vec<Invited>,
    /// Users, mandates and instances that are disabled, deleted or erased.
    pub off: BTreeSet<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Role {
    pub id: Uuid,
    pub mandate: Option<Uuid>,
    pub instance: Option<Uuid>,
    pub feature: Option<String>,
    pub protected: bool,
    #[serde(skip)]
    rules: Vec<StoredRule>,
    #[serde(skip)]
    views: Vec<(String, bool)>,
}

/// An invitation that waits: mandate, id, address and by whom.
pub type Invited = (Uuid, Uuid, String, Uuid);
/// Table, view, read, create, update, delete.
type StoredRule = (String, u8, u8, u8, u8, u8);

/// The tables as they are read: what belongs to roles beside them, since to look it up a role costs
/// as much as all the rest.
type Stored = (Json<Snapshot>, Json<Vec<(Uuid, StoredRule)>>, Json<Vec<(Uuid, (String, bool))>>);

/// View, read, create, update, delete; 0 to 3.
type Levels = [u8; 5];
/// A mandate, or one of its instances.
pub type Place = (Uuid, Option<Uuid>);

/// A row as far as reaching it goes: place, table, operation (read, create, update, delete) and
/// owner.
pub type Row = (Place, String, usize, Uuid);
const GROUP: u8 = 2;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn is_table(table: &str) -> bool {
    table != WILDCARD && table != ADMIN && !table.starts_with("view ")
}

/// What one user may do.
#[derive(Debug, Default)]
pub struct Access {
    sys_admin: bool,
    admin_of: BTreeSet<Uuid>,
    places: BTreeMap<Place, BTreeMap<String, Levels>>,
    /// Mandate and group: whom level `g` reaches.
    groups: BTreeSet<(Uuid, Uuid)>,
}

impl Snapshot {
    pub async fn read(sql: &PgPool) -> Self {
        let (Json(mut snapshot), Json(rules), Json(views)): Stored =
            sqlx::query_as(SNAPSHOT).fetch_one(sql).await.unwrap();
        let places: HashMap<Uuid, usize> =
            snapshot.roles.iter().enumerate().map(|(place, role)| (role.id, place)).collect();
        for (role, rule) in rules {
            if let Some(place) = places.get(&role) {
                snapshot.roles[*place].rules.push(rule);
            }
        }
        for (role, view) in views {
            if let Some(place) = places.get(&role) {
                snapshot.roles[*place].views.push(view);
            }
        }
        snapshot
    }

    /// What a user may do. Whether mandates and the account are enabled is left out, since only
    /// SysAdmins say so and may; the user's own membership and admissions, and the instances, count
    /// only while they are enabled.
    pub fn access(&self, user: Uuid) -> Access {
        let mut access =
            Access { sys_admin: self.users.contains(&(user, true)), ..Access::default() };
        access.groups.extend(
            self.group_members.iter().filter(|row| row.2 == user).map(|row| (row.0, row.1)),
        );
        for (mandate, member, enabled) in &self.memberships {
            if *member == user && *enabled {
                self.add_mandate(&mut access, *mandate, user);
            }
        }
        access
    }

    fn add_mandate(&self, access: &mut Access, mandate: Uuid, user: Uuid) {
        let held = self
            .member_roles
            .iter()
            .filter(|row| row.0 == mandate && row.1 == user)
            .map(|row| self.role(row.2));
        let held: Vec<&Role> = held.collect();
        let mut tables = union(&held, &owned(&MANDATE_TABLES), &[]);
        if held.iter().any(|role| role.protected) {
            access.admin_of.insert(mandate);
            tables.insert(ADMIN.to_owned(), [1; 5]);
        }
        access.places.insert((mandate, None), tables);
        for (_, instance, feature) in self.instances.iter().filter(|row| row.0 == mandate) {
            if !self.accesses.contains(&(*instance, user, true)) || self.off.contains(instance) {
                continue;
            }
            let held = self
                .access_roles
                .iter()
                .filter(|row| row.0 == *instance && row.1 == user)
                .map(|row| self.role(row.2));
            let (_, tables, views) = self.features.iter().find(|row| row.0 == *feature).unwrap();
            let known: Vec<String> =
                tables.iter().cloned().chain(owned(&INSTANCE_TABLES)).collect();
            access.places.insert(
                (mandate, Some(*instance)),
                union(&held.collect::<Vec<_>>(), &known, views),
            );
        }
    }

    /// What a user really may do now, by place and table: read, create, update, delete. Nothing
    /// that is off gives anything.
    pub fn effective(&self, user: Uuid) -> BTreeMap<(Place, String), [u8; 4]> {
        let is_on = |id: &Uuid| !self.off.contains(id);
        let places = self.access(user).places.into_iter();
        let open = places.filter(|((mandate, instance), _)| {
            is_on(&user) && is_on(mandate) && instance.as_ref().is_none_or(is_on)
        });
        let levels = open.flat_map(|(place, tables)| {
            tables.into_iter().map(move |(table, levels)| ((place, table), levels))
        });
        levels
            .filter(|((_, table), _)| is_table(table))
            .map(|(key, [_, levels @ ..])| (key, levels))
            .collect()
    }

    /// Who shares a group of a mandate with a user.
    fn peers(&self, mandate: Uuid, user: Uuid) -> BTreeSet<Uuid> {
        let own = self
            .group_members
            .iter()
            .filter(|row| row.0 == mandate && row.2 == user)
            .map(|row| row.1);
        let own: BTreeSet<Uuid> = own.collect();
        self.group_members
            .iter()
            .filter(|row| row.0 == mandate && own.contains(&row.1))
            .map(|row| row.2)
            .collect()
    }

    /// Whose rows a user really reaches by level `g` in a mandate, in whatever table.
    pub fn by_groups(&self, mandate: Uuid, user: Uuid) -> BTreeSet<Uuid> {
        let looks = self
            .effective(user)
            .iter()
            .any(|((place, _), levels)| place.0 == mandate && levels.contains(&GROUP));
        let mut reached = if looks { self.peers(mandate, user) } else { BTreeSet::new() };
        reached.remove(&user);
        reached
    }

    /// The rows that a user reaches by groups now and did not before: place, table, operation and
    /// owner. Of owners who were members before, since nobody else can have any.
    pub fn brought_near(
        &self,
        before: &Snapshot,
        user: Uuid,
        were_members: &BTreeSet<(Uuid, Uuid)>,
    ) -> Vec<Row> {
        let (mut rows, earlier) = (Vec::new(), before.access(user));
        for (place, tables) in self.access(user).places {
            let (now, then) = (self.peers(place.0, user), before.peers(place.0, user));
            let owners = now
                .iter()
                .filter(|owner| **owner != user && were_members.contains(&(place.0, **owner)));
            let owners: Vec<Uuid> = owners.copied().collect();
            for (table, [_, levels @ ..]) in tables.iter().filter(|(table, _)| is_table(table)) {
                for operation in (0..4).filter(|operation| levels[*operation] == GROUP) {
                    let level = earlier
                        .places
                        .get(&place)
                        .and_then(|tables| tables.get(table))
                        .map_or(0, |levels| levels[1 + operation]);
                    let gained = owners.iter().filter(|owner| {
                        !(level > GROUP || (level == GROUP && then.contains(owner)))
                    });
                    rows.extend(gained.map(|owner| (place, table.clone(), operation, *owner)));
                }
            }
        }
        rows
    }

    /// The groups and instances that are there before and after and that a user may read, update or
    /// delete now and not before.
    pub fn gained_things(&self, before: &Snapshot, user: Uuid) -> Vec<(&'static str, Uuid, Uuid)> {
        let groups = self
            .groups
            .iter()
            .filter(|row| before.groups.contains(row))
            .map(|row| ("groups", row.0, row.1));
        let instances = self
            .instances
            .iter()
            .filter(|row| before.instances.contains(row))
            .map(|row| ("instances", row.0, row.1));
        let reached = |view: &Snapshot,
                       access: &Access,
                       (table, mandate, id): &(&'static str, Uuid, Uuid)| {
            let owners: BTreeSet<Uuid> = match *table {
                "groups" => {
                    view.group_members.iter().filter(|row| row.1 == *id).map(|row| row.2).collect()
                }
                _ => view
                    .accesses
                    .iter()
                    .filter(|row| row.0 == *id && row.2)
                    .map(|row| row.1)
                    .collect(),
            };
            let near = || !view.peers(*mandate, user).is_disjoint(&owners);
            let needed = if owners.contains(&user) {
                1
            } else if near() {
                GROUP
            } else {
                3
            };
            let levels = access.places.get(&(*mandate, None)).and_then(|tables| tables.get(*table));
            levels.map_or([false; 3], |[_, read, _, update, delete]| {
                [*read >= needed, *update >= needed, *delete >= needed]
            })
        };
        let (now, then) = (self.access(user), before.access(user));
        let gains = |thing: &(&'static str, Uuid, Uuid)| {
            let (now, then) = (reached(self, &now, thing), reached(before, &then, thing));
            now.into_iter().zip(then).any(|(now, then)| now && !then)
        };
        groups.chain(instances).filter(gains).collect()
    }

    /// Whether a user reaches such a row.
    pub fn reaches(&self, user: Uuid, (place, table, operation, owner): &Row) -> bool {
        let access = self.access(user);
        let level = access
            .places
            .get(place)
            .and_then(|tables| tables.get(table))
            .map_or(0, |levels| levels[1 + operation]);
        match level {
            0 => false,
            1 => *owner == user,
            GROUP => *owner == user || self.peers(place.0, user).contains(owner),
            _ => true,
        }
    }

    /// How many admins a mandate has whose account and membership are enabled.
    pub fn effective_admins(&self, mandate: Uuid) -> usize {
        let is_admin = |user| {
            self.member_roles
                .iter()
                .any(|row| (row.0, row.1) == (mandate, user) && self.role(row.2).protected)
        };
        let members = self.memberships.iter().filter(|(place, user, enabled)| {
            *place == mandate && *enabled && !self.off.contains(user)
        });
        members.filter(|row| is_admin(row.1)).count()
    }

    pub fn role(&self, id: Uuid) -> &Role {
        self.roles.iter().find(|role| role.id == id).unwrap()
    }
}

/// The union over roles, table by table; `*` is a table of its own too, and each view is one.
fn union(held: &[&Role], tables: &[String], views: &[String]) -> BTreeMap<String, Levels> {
    let mut all = BTreeMap::new();
    for table in tables.iter().map(String::as_str).chain([WILDCARD]) {
        let mut highest = [0; 5];
        for role in held {
            let levels = role.levels(table);
            for (most, level) in highest.iter_mut().zip(levels) {
                *most = level.max(*most);
            }
        }
        all.insert(table.to_owned(), highest);
    }
    for view in views {
        let allowed = held.iter().any(|role| role.views.contains(&(view.clone(), true)));
        all.insert(format!("view {view}"), [u8::from(allowed); 5]);
    }
    all
}

impl Role {
    fn levels(&self, table: &str) -> Levels {
        let named = |table: &str| {
            self.rules
                .iter()
                .find(|rule| rule.0 == table)
                .map(|rule| [rule.1, rule.2, rule.3, rule.4, rule.5])
        };
        match named(table) {
            Some(levels) => levels,
            None => named(WILDCARD).map_or([0; 5], |levels| lowered(table, levels)),
        }
    }
}

/// `*` falls to the next lower level that the table knows.
fn lowered(table: &str, [view, read, create, update, delete]: Levels) -> Levels {
    let fall = |operation, level| tables::lowered(table, operation, level);
    [view, fall(0, read), fall(1, create), fall(2, update), fall(3, delete)]
}

impl Access {
    /// Admins may put themselves into groups; SysAdmins never raise themselves.
    pub fn may_join(&self, mandate: Uuid) -> bool {
        self.admin_of.contains(&mandate) && !self.sys_admin
    }

    pub fn is_sys_admin(&self) -> bool {
        self.sys_admin
    }

    /// Whether it is an admin's, who opens what they like to whom they like.
    pub fn is_admin_of(&self, mandate: Uuid) -> bool {
        self.admin_of.contains(&mandate)
    }

    /// As far as one mandate goes.
    pub fn in_mandate(mut self, mandate: Uuid) -> Self {
        self.sys_admin = false;
        self.places.retain(|place, _| place.0 == mandate);
        self.groups.clear();
        self
    }

    /// What is more than before, if anything. The one exemption: instance roles and groups of an
    /// admin who is no SysAdmin.
    pub fn raised_since(&self, before: &Access) -> Option<String> {
        if self.sys_admin && !before.sys_admin {
            return Some("the SysAdmin flag".to_owned());
        }
        let exempt = |mandate: &Uuid| before.admin_of.contains(mandate);
        if let Some(group) =
            self.groups.difference(&before.groups).find(|group| !before.may_join(group.0))
        {
            return Some(format!("the group {group:?}"));
        }
        self.places.iter().find_map(|(place, tables)| {
            if place.1.is_some() && exempt(&place.0) && !before.sys_admin {
                return None;
            }
            let known = before.places.get(place);
            tables.iter().find_map(|(table, levels)| {
                let earlier = match known {
                    // A table that the feature got just now: nobody's `*` grew by that.
                    Some(tables) => tables.get(table).copied().unwrap_or(if table == ADMIN {
                        [0; 5]
                    } else {
                        *levels
                    }),
                    None => [0; 5],
                };
                let more = levels.iter().zip(earlier).any(|(after, before)| *after > before);
                more.then(|| format!("`{table}` at {place:?}: {earlier:?} became {levels:?}"))
            })
        })
    }
}

/// Built-in features' templates are left out: nobody touches them here.
const SNAPSHOT: &str = include_str!("snapshot.sql");
