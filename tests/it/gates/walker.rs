//! A member with exactly one permission: one table, one level, near to the row that is aimed at or far from it.

use uuid::Uuid;

use super::cases::{Case, Names, fill, mentioned};
use super::operations::Operation;
use super::stage::{Approach, Ground};
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

const INSTANCE_TABLES: [&str; 2] = ["access", "instance-roles"];

impl Steps {
    /// Every level that the policy's tables know, with the row mine, near and far where there is one.
    pub fn all(operation: &Operation, case: &Case) -> Vec<Steps> {
        let mut steps = Vec::new();
        for (table, done) in operation.tables() {
            let knows_only_all = table == "mandate" || (table, done) == ("members", "create");
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

/// The name of the row of a table that a case aims at.
fn row_of(table: &str, case: &Case) -> Option<&'static str> {
    let in_path = |name: &str| mentioned(case.uri.split('?').next().unwrap()).contains(name);
    match table {
        "members" => in_path("target").then_some("target"),
        "groups" => in_path("group").then_some("group"),
        "roles" => ["role", "irole"].into_iter().find(|name| in_path(name)),
        "instances" => in_path("instance").then_some("instance"),
        "access" if in_path("admitted") => Some("admitted"),
        "access" => (in_path("instance") && case.mentions("target")).then_some("target"),
        "instance-roles" => in_path("irole").then_some("irole"),
        _ => features::of_table(table)?
            .owners
            .iter()
            .map(|(name, _)| *name)
            .find(|name| in_path(name)),
    }
}

impl Ground {
    /// The walker as a member of Acme without any permission, in nobody's group.
    pub async fn walker_without_permission(&self) -> Approach {
        let (acme, walker, walks) = (self.world.acme.id, self.walker.id, self.walks);
        self.sql(format!(
            "delete from memberships where mandate_id = '{acme}' and user_id = '{walker}';
             insert into memberships (id, mandate_id, user_id, created_at) values (gen_random_uuid(), '{acme}', '{walker}', now());
             insert into member_roles (mandate_id, user_id, role_id) values ('{acme}', '{walker}', '{walks}');
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
        let mut approach = self.walker_without_permission().await;
        let staged = features::of_table(&steps.table);
        let mut names = self.walker_names(staged, names);
        let row = row_of(&steps.table, case);
        let in_instance = staged.is_some() || INSTANCE_TABLES.contains(&steps.table.as_str());
        if in_instance {
            self.sql(fill(ADMITTED, &names)).await;
        }
        self.sql(fill(&permission(steps, in_instance), &names)).await;
        if let (Some(staged), Some(row)) = (staged, row) {
            self.sql(way_there(staged, &steps.table, &names)).await;
            let owner = match steps.relation {
                Relation::Mine => self.walker.id.to_string(),
                Relation::Near => names["peer"].clone(),
                Relation::NoRow | Relation::Far => return approach,
            };
            names.insert("owner", owner);
            let (_, belongs) = staged.owners.iter().find(|(name, _)| *name == row).unwrap();
            self.sql(fill(&format!("{CIRCLE}; {belongs}"), &names)).await;
            return approach;
        }
        match (steps.relation, row) {
            (Relation::Mine, Some("target")) => {
                approach = approach.aiming("target", self.walker.id);
            }
            (Relation::Mine, Some("admitted")) => {
                approach = approach.aiming("admitted", self.walker.id);
            }
            (Relation::Mine, Some(row)) => self.sql(fill(mine(row, in_instance), &names)).await,
            (Relation::Near, Some(row)) => {
                self.sql(fill(&format!("{CIRCLE}; {}", near(row)), &names)).await;
            }
            _ => {}
        }
        approach
    }
}

const ADMITTED: &str = "
    delete from feature_accesses where instance_id = '$place' and user_id = '$walker';
    insert into roles (id, scope, mandate_id, instance_id, feature_code, label, label_key, created_at)
    values ('$own', 'instance', '$mandate', '$place', '$code', '$own', '$own', now());
    insert into feature_accesses (mandate_id, instance_id, user_id, created_at) values ('$mandate', '$place', '$walker', now());
    insert into access_roles (mandate_id, instance_id, user_id, role_id) values ('$mandate', '$place', '$walker', '$own')";

/// A row may be inside another of the same feature, which has to be read to get there.
fn way_there(staged: &Staged, table: &str, names: &Names) -> String {
    let others = staged.feature.tables.iter().filter(|other| **other != table);
    let reads = others.map(|other| {
        format!(
            "insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level, create_level, update_level, delete_level)
             values ('$own', 'instance', '$mandate', '{other}', true, 3, 0, 0, 0)"
        )
    });
    fill(&reads.collect::<Vec<_>>().join(";"), names)
}

/// The walker shares a group with the peer.
const CIRCLE: &str = "
    insert into group_members (mandate_id, group_id, user_id) values
      ('$mandate', '$circle', '$walker'), ('$mandate', '$circle', '$peer') on conflict do nothing";

/// The table's every operation at the level, as far as it is known there.
fn permission(steps: &Steps, in_instance: bool) -> String {
    let (table, level) = (&steps.table, steps.level);
    let read_only = table == "audit";
    let create = if read_only || (table == "members" && level < 3) { 0 } else { level };
    let change = if read_only { 0 } else { level };
    let (role, scope) = if in_instance { ("$own", "instance") } else { ("$walks", "mandate") };
    format!(
        "insert into role_permissions (role_id, scope, mandate_id, table_name, can_view, read_level, create_level, update_level, delete_level)
         values ('{role}', '{scope}', '$mandate', '{table}', true, {level}, {create}, {change}, {change})"
    )
}

fn mine(row: &str, admitted_already: bool) -> &'static str {
    match (row, admitted_already) {
        ("group", _) => "insert into group_members (mandate_id, group_id, user_id) values ('$mandate', '$group', '$walker')",
        ("role", _) => "insert into member_roles (mandate_id, user_id, role_id) values ('$mandate', '$walker', '$role')",
        ("instance", false) => {
            "insert into feature_accesses (mandate_id, instance_id, user_id, created_at) values ('$mandate', '$instance', '$walker', now());
             insert into access_roles (mandate_id, instance_id, user_id, role_id) values ('$mandate', '$instance', '$walker', '$iheld')"
        }
        ("irole", true) => {
            "insert into access_roles (mandate_id, instance_id, user_id, role_id) values ('$mandate', '$instance', '$walker', '$irole')"
        }
        ("irole", false) => {
            "insert into feature_accesses (mandate_id, instance_id, user_id, created_at) values ('$mandate', '$instance', '$walker', now());
             insert into access_roles (mandate_id, instance_id, user_id, role_id) values ('$mandate', '$instance', '$walker', '$irole')"
        }
        _ => unreachable!("no other row becomes mine"),
    }
}

fn near(row: &str) -> &'static str {
    match row {
        "target" => "insert into group_members (mandate_id, group_id, user_id) values ('$mandate', '$circle', '$target') on conflict do nothing",
        "admitted" => "insert into group_members (mandate_id, group_id, user_id) values ('$mandate', '$circle', '$admitted') on conflict do nothing",
        "group" => "insert into group_members (mandate_id, group_id, user_id) values ('$mandate', '$group', '$peer') on conflict do nothing",
        "role" => "insert into member_roles (mandate_id, user_id, role_id) values ('$mandate', '$peer', '$role') on conflict do nothing",
        "instance" => {
            "insert into feature_accesses (mandate_id, instance_id, user_id, created_at) values ('$mandate', '$instance', '$peer', now()) on conflict do nothing"
        }
        "irole" => {
            "insert into feature_accesses (mandate_id, instance_id, user_id, created_at) values ('$mandate', '$instance', '$peer', now()) on conflict do nothing;
             insert into access_roles (mandate_id, instance_id, user_id, role_id) values ('$mandate', '$instance', '$peer', '$irole') on conflict do nothing"
        }
        _ => unreachable!("nobody is near to another row"),
    }
}
