//! Chance: plausible arguments, taken from the model's state. The same seed and the same history
//! throw the same.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::call::{Body, Call};
use super::world::World;
use super::world::access::Catalogue;
use crate::core::tables::known;

const WORDS: [&str; 8] = ["Alpha", "beta", "GAMMA", "Delta", "Straße", "omega", "Zeta x", "kappa"];
const DESCRIPTIONS: [&str; 3] = ["", "What it is for", "Zweck: alles, «überall»"];

/// A call that is being made up.
pub struct Dice<'a> {
    pub random: &'a mut StdRng,
    pub world: &'a World,
    pub call: Call,
    /// Whether what the rest of the history is played with may go, too.
    pub daring: bool,
}

impl Dice<'_> {
    pub fn chance(&mut self, likely: f64) -> bool {
        self.random.random_bool(likely)
    }
    pub fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }
    pub fn one_of<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        items.choose(self.random).cloned()
    }
    /// Who makes the call; nobody's id where nobody is signed in.
    pub fn caller(&self) -> Uuid {
        self.call.session.map_or_else(Uuid::nil, |session| self.world.sessions[session].user)
    }
    fn is_sys_admin(&self) -> bool {
        self.world.users.iter().any(|user| user.id == self.caller() && user.sys_admin)
    }

    pub fn arg(&mut self, value: impl ToString) {
        self.call.args.push(value.to_string());
    }
    pub fn ask(&mut self, name: &'static str, value: impl ToString) {
        self.call.query.push((name, value.to_string()));
    }
    pub fn send(&mut self, body: Value) {
        self.call.body = Body::Json(body);
    }
    /// If-Match with the right version now and then, and with a stale one more seldom; or a version
    /// in the body.
    pub fn at_version(&mut self, version: i64) {
        let believed = if self.chance(0.15) { version + 1 } else { version };
        match self.below(8) {
            0 | 1 => self.call.if_match = Some(format!("\"{believed}\"")),
            2 => {
                if let Body::Json(Value::Object(body)) = &mut self.call.body {
                    body.insert("version".to_owned(), json!(believed));
                }
            }
            _ => {}
        }
    }
    pub fn dry_run(&mut self) {
        if self.chance(0.12) {
            self.ask("dryRun", true);
        }
    }

    /// A mandate in which the caller does something, named in the header. SysAdmins need none where
    /// the path names it.
    pub fn mandate(&mut self) -> Option<Uuid> {
        let caller = self.caller();
        let mine: Vec<Uuid> = self
            .world
            .members
            .iter()
            .filter(|row| row.user == caller)
            .map(|row| row.mandate)
            .collect();
        let alive: Vec<Uuid> =
            mine.iter().copied().filter(|id| self.world.is_alive(*id, caller)).collect();
        let mine = if alive.is_empty() || self.chance(0.1) { mine } else { alive };
        let all: Vec<Uuid> = self.world.mandates.iter().map(|row| row.id).collect();
        let any = self.chance(0.08) || mine.is_empty();
        let mandate = if any || (self.is_sys_admin() && self.chance(0.5)) {
            self.one_of(&all)?
        } else {
            self.one_of(&mine)?
        };
        self.call.mandate = Some(mandate.to_string());
        Some(mandate)
    }
    /// The same, as the path's first parameter.
    pub fn mandate_in_path(&mut self) -> Option<Uuid> {
        let mandate = self.mandate()?;
        self.arg(mandate);
        if self.is_sys_admin() && self.chance(0.6) {
            self.call.mandate = None;
        }
        Some(mandate)
    }
    /// An instance of the mandate; of such a feature where one is named. One that is open to the
    /// caller rather than others.
    pub fn instance_in(&mut self, mandate: Uuid, feature: Option<&str>) -> Option<Uuid> {
        let fits = |row: &&super::world::Instance| {
            row.mandate == mandate && feature.is_none_or(|code| row.feature == code)
        };
        let all: Vec<Uuid> = self.world.instances.iter().filter(fits).map(|row| row.id).collect();
        let caller = self.caller();
        let mine: Vec<Uuid> =
            all.iter().copied().filter(|id| self.world.admission(*id, caller).is_some()).collect();
        if self.chance(0.03) {
            return self.one_of(&self.world.instances.iter().map(|row| row.id).collect::<Vec<_>>());
        }
        if !mine.is_empty() && self.chance(0.7) { self.one_of(&mine) } else { self.one_of(&all) }
    }
    /// A mandate in the header, and one of its instances as the path's first parameter.
    pub fn instance_in_path(&mut self) -> Option<Uuid> {
        let mandate = self.mandate()?;
        let instance = self.instance_in(mandate, None)?;
        self.arg(instance);
        if self.is_sys_admin() && self.chance(0.4) {
            self.call.mandate = None;
        }
        Some(instance)
    }
    /// A mandate and an instance of a built-in feature, in the headers; the second is left out now
    /// and then. One that is open to the caller, and has something in it, rather than others.
    pub fn in_feature(&mut self, code: &str) -> Option<Uuid> {
        let (world, caller) = (self.world, self.caller());
        let open = world
            .instances
            .iter()
            .filter(|row| row.feature == code && world.is_admitted(row.id, caller));
        let open: Vec<Uuid> = open.map(|row| row.id).collect();
        let instance = if open.is_empty() || self.chance(0.08) {
            let mandate = self.mandate()?;
            self.instance_in(mandate, Some(code))?
        } else {
            let instance = self.one_of(&open)?;
            self.call.mandate = Some(world.instance(instance).mandate.to_string());
            instance
        };
        if self.chance(0.85) {
            self.call.instance = Some(instance.to_string());
        }
        Some(instance)
    }

    pub fn user(&mut self) -> Option<Uuid> {
        self.one_of(&self.world.users.iter().map(|row| row.id).collect::<Vec<_>>())
    }
    /// An account that was not erased, rather than others.
    pub fn living_user(&mut self) -> Option<Uuid> {
        let living: Vec<Uuid> =
            self.world.users.iter().filter(|row| !row.erased).map(|row| row.id).collect();
        if self.chance(0.95) { self.one_of(&living) } else { self.user() }
    }
    pub fn member_of(&mut self, mandate: Uuid) -> Option<Uuid> {
        let members: Vec<Uuid> = self
            .world
            .members
            .iter()
            .filter(|row| row.mandate == mandate)
            .map(|row| row.user)
            .collect();
        if self.chance(0.93) && !members.is_empty() { self.one_of(&members) } else { self.user() }
    }
    pub fn members_of(&mut self, mandate: Uuid, most: usize) -> BTreeSet<Uuid> {
        let count = self.below(most + 1);
        (0..count).filter_map(|_| self.member_of(mandate)).collect()
    }
    pub fn role_of(&mut self, mandate: Uuid, instance: Option<Uuid>) -> Option<Uuid> {
        let all = self.world.roles_of(mandate, instance);
        let roles: Vec<Uuid> = all.map(|row| row.id).collect();
        if self.chance(0.03) || roles.is_empty() {
            return self.one_of(&self.world.roles.iter().map(|row| row.id).collect::<Vec<_>>());
        }
        self.one_of(&roles)
    }
    pub fn roles_of(&mut self, mandate: Uuid, instance: Option<Uuid>) -> Vec<Uuid> {
        let count = if self.chance(0.02) { 0 } else { 1 + self.below(2) };
        (0..count).filter_map(|_| self.role_of(mandate, instance)).collect()
    }

    /// A name: few enough that some are taken, and blank now and then.
    pub fn name(&mut self) -> String {
        let word = WORDS[self.below(WORDS.len())];
        let number = self.below(4);
        match self.below(24) {
            0 => "  ".to_owned(),
            1 => "x".repeat(201),
            2 => format!(" {} {number} ", word.to_uppercase()),
            _ => format!("{word} {number}"),
        }
    }
    pub fn description(&mut self) -> Value {
        if self.chance(0.03) {
            json!("x".repeat(4_001))
        } else {
            json!(DESCRIPTIONS[self.below(DESCRIPTIONS.len())])
        }
    }
    pub fn texts(&mut self) -> Value {
        let all = [json!({}), json!({ "en": "Something" }), json!({ "en": "One", "de": "Eins" })];
        all[self.below(all.len())].clone()
    }
    /// Some languages of a text that has some already.
    pub fn text_patches(&mut self) -> Value {
        let all = [
            json!({}),
            json!({ "en": "Something" }),
            json!({ "de": "Eins", "en": null }),
            json!({ "de": null }),
            json!({ "en": null }),
        ];
        all[self.below(all.len())].clone()
    }
    /// A body of some of these fields, each there as likely as it says.
    pub fn some(&mut self, fields: Vec<(&str, f64, Value)>) -> Map<String, Value> {
        fields
            .into_iter()
            .filter(|(_, likely, _)| self.chance(*likely))
            .map(|(name, _, value)| (name.to_owned(), value))
            .collect()
    }

    /// What a list is asked for: a page, a sort, a count, and where an earlier page ended.
    pub fn list(&mut self, sorts: &[&str]) {
        if self.chance(0.4) {
            let limit = ["1", "2", "3", "200", "201", "0", "x"]
                [[0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3, 4, 5, 6][self.below(14)]];
            self.ask("limit", limit);
        }
        if self.chance(0.3) {
            let sort = sorts[self.below(sorts.len())].trim_start_matches('-').to_owned();
            let sort = if self.chance(0.5) { format!("-{sort}") } else { sort };
            let sort = if self.chance(0.03) { "shoeSize".to_owned() } else { sort };
            self.ask("sort", sort);
        }
        if self.chance(0.3) {
            self.ask("count", true);
        }
    }

    /// Permissions of a scope; well-formed and of levels that the tables know, but for a few.
    pub fn permissions(&mut self, catalogue: &Catalogue) -> Value {
        let mut tables = Map::new();
        for table in catalogue.tables.iter().map(String::as_str).chain(["*"]) {
            if self.chance(if table == "*" { 0.2 } else { 0.6 }) {
                tables.insert(table.to_owned(), self.rule(table));
            }
        }
        if self.chance(0.03) {
            tables.insert("nothing".to_owned(), self.rule("nothing"));
        }
        let mut views: Map<String, Value> = Map::new();
        for view in &catalogue.views {
            if self.chance(0.5) {
                views.insert(view.clone(), json!(self.chance(0.7)));
            }
        }
        if self.chance(0.02) {
            views.insert("nowhere".to_owned(), json!(true));
        }
        json!({ "tables": tables, "views": views })
    }
    pub fn rule(&mut self, table: &str) -> Value {
        let mut levels = [0_u8; 4];
        for (operation, level) in levels.iter_mut().enumerate() {
            let wanted = [0, 1, 2, 2, 3, 3, 3, 3][self.below(8)];
            let fits = known(table, operation)
                .iter()
                .copied()
                .filter(|known| *known <= wanted)
                .max()
                .unwrap_or(0);
            *level = if self.chance(0.01) { wanted } else { fits };
        }
        if self.chance(0.97) {
            levels[2] = levels[2].min(levels[0]);
            levels[3] = levels[3].min(levels[0]);
        }
        let [read, create, update, delete] = levels.map(super::world::access::letter);
        let view = levels.iter().any(|level| *level > 0) || self.chance(0.3);
        json!({
            "view": view && self.chance(0.99), "read": read, "create": create, "update": update,
            "delete": delete,
        })
    }
}
