//! The question that everybody is asked: may this user do this to this row? Five roles and twenty
//! tables, of which the user holds two roles; rows have an owner, and a level is `n` (none), `m`
//! (the user's own rows) or `a` (all).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bailiwick::access::decision::{Target, nearness, verdict};
use bailiwick::access::{Catalogue, Level, Merged, Operation, Permissions, Rule};
use bailiwick::kernel::ids::UserId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const TABLES: usize = 20;
const ROLES: usize = 5;
/// The roles that the user holds.
const HELD: [usize; 2] = [1, 3];

/// Roles, tables and questions, as each of those who are asked is told them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    pub user: Uuid,
    pub tables: Vec<String>,
    /// What each role allows: a level for each operation on each table.
    pub roles: BTreeMap<String, BTreeMap<String, Rule>>,
    pub held: Vec<String>,
    /// One that is allowed because the row is the user's own, one that is refused, then all others.
    pub questions: Vec<Question>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub table: String,
    pub operation: Operation,
    pub owner: Uuid,
    pub level: Level,
    pub allowed: bool,
}

/// Looks like chance and is none. The first role may do everything, and nobody does more than they
/// may read.
fn rule(role: usize, table: usize) -> Rule {
    let level = |operation| {
        let linear = role * 31 + table * 17 + operation * 11;
        match (role, (linear + role * table * (operation + table)) % 7) {
            (0, _) | (_, 5..) => Level::All,
            (_, 3 | 4) => Level::My,
            _ => Level::None,
        }
    };
    let [create, update, delete] = [1, 2, 3].map(level);
    Rule::of(level(0).max(create).max(update).max(delete), create, update, delete)
}

impl Model {
    pub fn of(user: Uuid, somebody_else: Uuid) -> Self {
        let table = |number: usize| format!("table_{number:02}");
        let role = |number: usize| format!("role_{number}");
        let rules = |role| (0..TABLES).map(|number| (table(number), rule(role, number))).collect();
        let questions = (0..TABLES).flat_map(|number| {
            Operation::ALL.into_iter().flat_map(move |operation| {
                let held = HELD.map(|role| rule(role, number).level(operation));
                let level = held.into_iter().max().unwrap_or_default();
                [user, somebody_else].map(|owner| Question {
                    table: table(number),
                    operation,
                    owner,
                    level,
                    allowed: level == Level::All || (level == Level::My && owner == user),
                })
            })
        });
        let mut questions: Vec<_> = questions.collect();
        // Stable: the rest stays in its order.
        questions.sort_by_key(|question| !(question.level == Level::My && question.allowed));
        questions[1..].sort_by_key(|question| question.level != Level::None);
        Self {
            user,
            tables: (0..TABLES).map(table).collect(),
            roles: (0..ROLES).map(|number| (role(number), rules(number))).collect(),
            held: HELD.map(role).to_vec(),
            questions,
        }
    }

    /// Decides each question by its number, as the service does with a context that is loaded.
    pub fn decider(&self) -> impl Fn(&Question) -> bool + use<> {
        let catalogue = Catalogue::instance(self.tables.clone(), []);
        let held = self.held.iter().filter_map(|role| self.roles.get(role)).map(|rules| {
            Permissions { tables: rules.clone().into_iter().collect(), ..Permissions::default() }
        });
        let access = Merged::of(&held.collect::<Vec<_>>(), &catalogue);
        let (user, peers) = (UserId::from(self.user), BTreeSet::new());
        move |question| {
            let target = Target::Rows(&question.table, question.operation);
            let near = nearness(target, user, question.owner.into(), &peers);
            verdict(Some(&access), target, Some(near)).allowed
        }
    }
}

/// The same by looking the level up and comparing: all that there is to a decision.
pub fn hash_lookup(model: &Model) -> impl Fn(&Question) -> bool + use<> {
    let mut by_table: HashMap<String, HashMap<Operation, Level>> = HashMap::new();
    for Question { table, operation, level, .. } in &model.questions {
        by_table.entry(table.clone()).or_default().insert(*operation, *level);
    }
    let user = model.user;
    move |question| {
        let held = by_table.get(&question.table).and_then(|table| table.get(&question.operation));
        match held {
            Some(Level::All) => true,
            Some(Level::My) => user == question.owner,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_decides_as_the_model_says() {
        let model = Model::of(Uuid::from_u128(1), Uuid::from_u128(2));
        let decide = model.decider();
        assert!(model.questions.iter().all(|question| decide(question) == question.allowed));
        assert_eq!(model.questions.len(), TABLES * 4 * 2);
        let [own, refused, ..] = &model.questions[..] else { panic!("too few") };
        assert_eq!((own.level, own.allowed), (Level::My, true));
        assert_eq!((refused.level, refused.allowed), (Level::None, false));
        for level in [Level::None, Level::My, Level::All] {
            let of_level = model.questions.iter().filter(|question| question.level == level);
            assert!(of_level.count() >= 20, "{level:?} is rare");
        }
    }
}
