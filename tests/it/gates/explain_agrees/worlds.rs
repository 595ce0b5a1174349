//! Random worlds, and questions about them. Ids are random, rows are shuffled, and labels are such
//! that their order, their ids' and the rows' have nothing to do with each other.

use std::sync::LazyLock;

use bailiwick::access::Catalogue;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::super::reference::{Question, Role, World};
use crate::core::tables::{INSTANCE_TABLES, MANDATE_TABLES, known};
use crate::features;

const WORDS: [&str; 12] =
    ["Ärger", "ﬁlm", "ẞtraße", "İznik", "日本", "Ω", "zebra", "Zebra", "é", "e\u{301}", "ⅷ", "ʼn"];
/// A table that no feature has any more: what roles say of it gives nothing.
const RETIRED: &str = "retired";

pub const READ: usize = 0;
pub const UPDATE: usize = 2;
pub const DELETE: usize = 3;
pub const OPERATIONS: [&str; 4] = ["read", "create", "update", "delete"];

/// What roles of a place can speak of.
pub struct Scope {
    pub tables: Vec<&'static str>,
    pub views: &'static [&'static str],
    /// The same, as the service has it.
    pub catalogue: Catalogue,
}

impl Scope {
    fn of_mandates() -> Self {
        Self { tables: MANDATE_TABLES.to_vec(), views: &[], catalogue: Catalogue::mandate() }
    }
    fn of_feature(code: &str) -> Self {
        let feature = features::served().iter().find(|feature| feature.code == code);
        let (own, views) =
            feature.map_or((&[][..], &[][..]), |feature| (feature.tables, feature.views));
        let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<Vec<_>>();
        let tables = own.iter().chain(INSTANCE_TABLES.iter()).copied().collect();
        Self { tables, views, catalogue: Catalogue::instance(names(own), names(views)) }
    }
}

/// Of a feature's instances; without a feature, of mandates.
pub fn scope(feature: Option<&str>) -> &'static Scope {
    static MANDATE: LazyLock<Scope> = LazyLock::new(Scope::of_mandates);
    static FEATURES: LazyLock<[(&str, Scope); 3]> =
        LazyLock::new(|| ["journal", "playbooks", DEN].map(|code| (code, Scope::of_feature(code))));
    feature.map_or(&MANDATE, |feature| {
        FEATURES.iter().find(|(code, _)| *code == feature).map(|(_, scope)| scope).unwrap()
    })
}

/// A feature without tables.
pub const DEN: &str = "den";

pub fn id(random: &mut StdRng) -> Uuid {
    uuid::Builder::from_random_bytes(random.random()).into_uuid()
}

/// Makes worlds of these people. One in so many things (`off`) is disabled.
pub struct Maker<'a> {
    pub random: &'a mut StdRng,
    pub off: f64,
    pub world: World,
}

impl<'a> Maker<'a> {
    pub fn new(random: &'a mut StdRng, off: f64, people: &[Uuid]) -> Self {
        let mut maker = Self { random, off, world: World::default() };
        for user in people {
            let enabled = maker.on();
            maker.world.users.push((*user, enabled));
        }
        maker
    }

    fn on(&mut self) -> bool {
        !self.random.random_bool(self.off)
    }

    /// A mandate with so many instances.
    pub fn mandate(&mut self, instances: usize) {
        let (mandate, enabled, deleted) = (id(self.random), self.on(), !self.on());
        self.world.mandates.push((mandate, enabled, deleted));
        let mut members = Vec::new();
        for (user, _) in self.world.users.clone() {
            if self.random.random_bool(0.85) {
                let enabled = self.on();
                self.world.memberships.push((mandate, user, enabled));
                members.push(user);
            }
        }
        self.roles(mandate, scope(None), &members);
        for _ in 0..2 {
            let group = id(self.random);
            let members = self.some(&members, 0.4);
            self.world.groups.push((group, mandate, members));
        }
        for number in 0..instances {
            self.instance(mandate, ["playbooks", "journal"][number % 2], &members);
        }
    }

    fn some(&mut self, people: &[Uuid], odds: f64) -> Vec<Uuid> {
        people.iter().copied().filter(|_| self.random.random_bool(odds)).collect()
    }

    fn instance(&mut self, mandate: Uuid, feature: &'static str, members: &[Uuid]) {
        let (instance, enabled) = (id(self.random), self.on());
        self.world.instances.push((instance, mandate, feature, enabled));
        let admitted = self.some(members, 0.75);
        for user in &admitted {
            let enabled = self.on();
            self.world.admissions.push((instance, *user, enabled));
        }
        self.roles(instance, scope(Some(feature)), &admitted);
    }

    /// Four roles of a place, of which everybody holds none to three.
    fn roles(&mut self, place: Uuid, scope: &Scope, people: &[Uuid]) {
        let roles: Vec<Uuid> = (0..4).map(|_| self.role(place, scope)).collect();
        for user in people {
            let count = self.random.random_range(0..=3);
            self.world.held.extend(roles.sample(self.random, count).map(|role| (*role, *user)));
        }
    }

    fn role(&mut self, place: Uuid, scope: &Scope) -> Uuid {
        let id = id(self.random);
        let label = format!("{} {}", WORDS.choose(self.random).unwrap(), id.simple());
        let mut rules = Vec::new();
        for (table, odds) in
            scope.tables.iter().map(|table| (*table, 0.4)).chain([("*", 0.4), (RETIRED, 0.05)])
        {
            if self.random.random_bool(odds) {
                rules.push(self.rule(table));
            }
        }
        rules.shuffle(self.random);
        let views = scope.views.iter().map(|view| (*view, self.random.random_bool(0.5))).collect();
        self.world.roles.push(Role { id, label, place, rules, views });
        id
    }

    /// Well-formed, and of levels that the table knows.
    fn rule(&mut self, table: &'static str) -> (&'static str, bool, [u8; 4]) {
        let [levels, shown] = self.random.random::<u16>().to_le_bytes();
        let drawn = |operation: usize| (levels >> (2 * operation)) & 3;
        let lowered = |operation: usize| {
            *known(table, operation).iter().rfind(|known| **known <= drawn(operation)).unwrap()
        };
        let [read, create, update, delete] = [0, 1, 2, 3].map(lowered);
        (
            table,
            shown > 127 || read > 0 || create > 0,
            [read, create, update.min(read), delete.min(read)],
        )
    }

    pub fn shuffled(self) -> World {
        let mut world = self.world;
        world.roles.shuffle(self.random);
        world.held.shuffle(self.random);
        world.groups.shuffle(self.random);
        world
    }
}

/// A small world of its own.
pub fn small(random: &mut StdRng) -> World {
    let people: Vec<Uuid> = (0..4).map(|_| id(random)).collect();
    let mut maker = Maker::new(random, 0.05, &people);
    maker.mandate(2);
    maker.mandate(0);
    maker.shuffled()
}

/// A question about somebody, somewhere.
pub fn question(random: &mut StdRng, world: &World) -> Question {
    let (user, _) = *world.users.choose(random).unwrap();
    let (mandate, ..) = *world.mandates.choose(random).unwrap();
    let instances: Vec<_> =
        world.instances.iter().filter(|row| row.1 == mandate && row.2 != DEN).collect();
    let instance = instances.choose(random).filter(|_| random.random_bool(0.6));
    let table = *scope(instance.map(|row| row.2)).tables.choose(random).unwrap();
    let owner = match random.random_range(0..4) {
        0 => None,
        1 => Some(user),
        _ => world.users.choose(random).map(|row| row.0),
    };
    Question {
        user,
        mandate,
        instance: instance.map(|row| row.0),
        table,
        operation: random.random_range(0..4),
        owner,
    }
}

/// The dice of a seed.
pub fn dice(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
