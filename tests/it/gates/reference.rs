//! The access model as README.md words it, and nothing besides: levels are 0 (`n`) to 3 (`a`),
//! operations 0 to 3, and each question looks at everything. It shares no code with the service.

use serde::Serialize;
use uuid::Uuid;

use crate::core::tables::{MANDATE_TABLES, lowered};

pub const CREATE: usize = 1;
/// Table or `*`, whether it is shown, levels.
pub type Rule = (&'static str, bool, [u8; 4]);

#[derive(Debug, Clone, Default, Serialize)]
pub struct World {
    /// Account, enabled.
    pub users: Vec<(Uuid, bool)>,
    /// Mandate, enabled, deleted.
    pub mandates: Vec<(Uuid, bool, bool)>,
    /// Mandate, user, enabled.
    pub memberships: Vec<(Uuid, Uuid, bool)>,
    /// Instance, mandate, feature, enabled.
    pub instances: Vec<(Uuid, Uuid, &'static str, bool)>,
    /// Instance, user, enabled.
    pub admissions: Vec<(Uuid, Uuid, bool)>,
    pub roles: Vec<Role>,
    /// Role, user.
    pub held: Vec<(Uuid, Uuid)>,
    /// Group, mandate, members.
    pub groups: Vec<(Uuid, Uuid, Vec<Uuid>)>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Role {
    pub id: Uuid,
    pub label: String,
    /// The mandate, or the instance, whose role it is.
    pub place: Uuid,
    pub rules: Vec<Rule>,
    pub views: Vec<(&'static str, bool)>,
}

#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub user: Uuid,
    pub mandate: Uuid,
    pub instance: Option<Uuid>,
    pub table: &'static str,
    pub operation: usize,
    pub owner: Option<Uuid>,
}

impl World {
    /// The level, and whether it is allowed: to a row of the owner, or to any row.
    pub fn answer(&self, asked: &Question) -> (u8, bool) {
        let levels = self.counting(asked).into_iter();
        let level = levels.map(|role| role.level(asked.table, asked.operation)).max().unwrap_or(0);
        (level, level > 0 && asked.owner.is_none_or(|owner| self.reaches(level, asked, owner)))
    }

    /// Those held in the mandate or, for a table of a feature, in the instance, while all is alive.
    pub fn counting(&self, asked: &Question) -> Vec<&Role> {
        let instance = asked.instance.filter(|_| !MANDATE_TABLES.contains(&asked.table));
        let place = instance.unwrap_or(asked.mandate);
        let held = |role: &&Role| self.held.contains(&(role.id, asked.user));
        let alive = self.is_alive(asked.user, asked.mandate, instance);
        self.roles.iter().filter(|role| alive && role.place == place).filter(held).collect()
    }

    pub fn is_alive(&self, user: Uuid, mandate: Uuid, instance: Option<Uuid>) -> bool {
        let admitted = |instance| {
            let wanted = (instance, mandate, true);
            self.instances.iter().any(|row| (row.0, row.1, row.3) == wanted)
                && self.admissions.contains(&(instance, user, true))
        };
        let member = self.memberships.contains(&(mandate, user, true))
            && self.mandates.contains(&(mandate, true, false));
        self.users.contains(&(user, true)) && member && instance.is_none_or(admitted)
    }

    /// Whether a level means rows of this owner.
    pub fn reaches(&self, level: u8, asked: &Question, owner: Uuid) -> bool {
        let can_own = asked.table != "mandate";
        let mine = can_own && owner == asked.user;
        let own_groups = self.groups.iter().filter(|group| group.1 == asked.mandate);
        let mut shared = own_groups.filter(|group| group.2.contains(&owner));
        let near = mine || (can_own && shared.any(|group| group.2.contains(&asked.user)));
        [false, mine, near, true][usize::from(level)]
    }
}

impl Role {
    /// The named table beats `*`, which falls to the next lower level that the table knows.
    pub fn level(&self, table: &str, operation: usize) -> u8 {
        let rule = |name| self.rules.iter().find(|rule| rule.0 == name);
        let lowered = |rule: &Rule| lowered(table, operation, rule.2[operation]);
        let own = rule(table).map(|rule| rule.2[operation]);
        own.or_else(|| rule("*").map(lowered)).unwrap_or(0)
    }
}
