//! A member with exactly one permission: one table, one level, near to the row that is aimed at or
//! far from it.

use uuid::Uuid;

use super::cases::{Case, Names, fill};
use super::operations::Operation;
use super::stage::{Approach, Ground};
use crate::core::tables::{self, INSTANCE_TABLES, Row, Whose};
use crate::features::{self, Staged};

/// How the row that is aimed at belongs to the walker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The call aims at no row of the table.
    NoRow,
    Mine,
    /// Somebody's who shares a group with the walker.
    Near,
    Far,
}

/// What the walker may do, and how near the walker is.
#[derive(Debug, Clone)]
pub struct Steps {
    pub table: String,
    /// As the database has it: 1 my, 2 group, 3 all.
    pub level: u8,
    pub relation: Relation,
}

impl Steps {
    /// Every level that the policy's tables know, with the row mine, near and far where there is
    /// one.
    pub fn all(operation: &Operation, case: &Case) -> Vec<Steps> {
        let mut steps = Vec::new();
        for (table, done) in operation.tables() {
            let knows_only_all = !tables::known_to(table, done).contains(&1);
            let has_row = row_of(table, case).is_some();
            let mut add = |level, relations: &[Relation]| {
                let made = |relation: &Relation| Steps {
                    table: table.to_owned(),
                    level,
                    relation: *relation,
                };
                steps.extend(relations.iter().map(made));
            };
            if !knows_only_all {
                add(1, if has_row { &[Relation::Mine, Relation::Far] } else { &[Relation::NoRow] });
                add(2, if has_row { &[Relation::Near, Relation::Far] } else { &[Relation::NoRow] });
            }
            add(3, if has_row { &[Relation::Far] } else { &[Relation::NoRow] });
        }
        steps
    }

    pub fn title(&self) -> String {
        let level = ["n", "m", "g", "a"][usize::from(self.level)];
        let row = match (self.level, self.relation) {
            (3, _) | (_, Relation::NoRow) => "",
            (_, Relation::Mine) => " mine",
            (_, Relation::Near) => " near",
            (_, Relation::Far) => " far",
        };
        format!("{} {level}{row}", self.table)
    }
}

/// The row of a table that a case aims at.
fn row_of(table: &str, case: &Case) -> Option<&'static Row> {
    let rows =
        features::of_table(table).map_or_else(|| tables::rows_of(table), |staged| staged.owners);
    tables::aimed_at(rows, case)
}

impl Ground {
    /// The walker as a member of Acme without any permission, in nobody's group.
    pub async fn walker_without_permission(&self) -> Approach {
        let (acme, walker, walks) = (self.world.acme.id, self.walker.id, self.walks);
        self.sql(format!(
            "delete from memberships where mandate_id = '{acme}' and user_id = '{walker}';
             insert into memberships (id, mandate_id, user_id, created_at)
               values (gen_random_uuid(), '{acme}', '{walker}', now());
             insert into member_roles (mandate_id, user_id, role_id)
               values ('{acme}', '{walker}', '{walks}');
             delete from role_permissions where role_id = '{walks}'"
        ))
        .await;
        Approach::of(&self.walker).in_mandate(acme)
    }

    /// The same where the case is called: for features, admitted with a role that permits nothing.
    pub async fn walker_at_n(&self, case: &Case, names: &Names) -> Approach {
        let approach = self.walker_without_permission().await;
        if let Some(staged) = features::of(case) {
            self.sql(fill(ADMITTED, &self.walker_names(Some(staged), names))).await;
        }
        approach
    }

    /// What the statements of this file call the walker, and the instance that they are about.
    fn walker_names(&self, staged: Option<&Staged>, names: &Names) -> Names {
        let (place, code) = staged
            .map_or(("instance", "playbooks"), |staged| (staged.feature.code, staged.feature.code));
        let mut names = names.clone();
        let (place, own) = (names[place].clone(), Uuid::now_v7().to_string());
        names.extend([
            ("walker", self.walker.id.to_string()),
            ("walks", self.walks.to_string()),
            ("own", own),
        ]);
        names.extend([("place", place), ("code", code.to_owned())]);
        names
    }

    /// The walker with one permission. Fresh names: an instance knows its walker once.
    pub async fn walker(&self, steps: &Steps, case: &Case, names: &Names) -> Approach {
        let approach = self.walker_without_permission().await;
        let staged = features::of_table(&steps.table);
        let names = self.walker_names(staged, names);
        let in_instance = staged.is_some() || INSTANCE_TABLES.contains(&steps.table.as_str());
        if in_instance {
            self.sql(fill(ADMITTED, &names)).await;
        }
        self.sql(fill(&permission(steps, in_instance), &names)).await;
        let Some(row) = row_of(&steps.table, case) else { return approach };
        if let Some(staged) = staged {
            self.sql(way_there(staged, &steps.table, &names)).await;
        }
        self.related(steps.relation, row, names, approach).await
    }

    /// Makes the row be the walker's, or somebody's who is near.
    async fn related(
        &self,
        relation: Relation,
        row: &Row,
        mut names: Names,
        approach: Approach,
    ) -> Approach {
        let owner = match relation {
            Relation::Mine => self.walker.id.to_string(),
            Relation::Near => names["peer"].clone(),
            Relation::NoRow | Relation::Far => return approach,
        };
        let is_near = relation == Relation::Near;
        if is_near {
            self.sql(fill(CIRCLE, &names)).await;
        }
        match row.whose {
            Whose::Person if is_near => {
                names.insert("near", names[row.name].clone());
                self.sql(fill(IN_CIRCLE, &names)).await;
            }
            Whose::Person => return approach.aiming(row.name, self.walker.id),
            Whose::By(statement) => {
                names.insert("owner", owner);
                self.sql(fill(statement, &names)).await;
            }
        }
        approach
    }
}

const ADMITTED: &str = "
    delete from feature_accesses where instance_id = '$place' and user_id = '$walker';
    insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key,
        created_at)
    values ('$own', 'instance', '$mandate', '$place', '$code', '$own', '$own', now());
    insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
      values ('$mandate', '$place', '$walker', now());
    insert into access_roles (mandate_id, instance_id, user_id, role_id)
      values ('$mandate', '$place', '$walker', '$own')";

/// A row may be inside another of the same feature, which has to be read to get there.
fn way_there(staged: &Staged, table: &str, names: &Names) -> String {
    let others = staged.feature.tables.iter().filter(|other| **other != table);
    let reads = others.map(|other| {
        format!(
            "insert into role_permissions (role_id, scope, mandate_id, table_name, can_view,
                 read_level, create_level, update_level, delete_level)
             values ('$own', 'instance', '$mandate', '{other}', true, 3, 0, 0, 0)"
        )
    });
    fill(&reads.collect::<Vec<_>>().join(";"), names)
}

/// The walker shares a group with the peer.
const CIRCLE: &str = "
    insert into group_members (mandate_id, group_id, user_id) values
      ('$mandate', '$circle', '$walker'), ('$mandate', '$circle', '$peer') on conflict do nothing";

/// Somebody else does too.
const IN_CIRCLE: &str = "
    insert into group_members (mandate_id, group_id, user_id)
    values ('$mandate', '$circle', '$near') on conflict do nothing";

/// The table's every operation at the level, as far as it is known there.
fn permission(steps: &Steps, in_instance: bool) -> String {
    let (table, level) = (&steps.table, steps.level);
    let at = |operation| {
        if tables::known(table, operation).contains(&level) { level } else { 0 }
    };
    let (role, scope) = if in_instance { ("$own", "instance") } else { ("$walks", "mandate") };
    format!(
        "insert into role_permissions (role_id, scope, mandate_id, table_name, can_view,
                                       read_level, create_level, update_level, delete_level)
         values ('{role}', '{scope}', '$mandate', '{table}', true, {}, {}, {}, {})",
        at(0),
        at(1),
        at(2),
        at(3)
    )
}
