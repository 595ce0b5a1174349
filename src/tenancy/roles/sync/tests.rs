//! However templates and roles change between two syncs: after a sync another one has nothing to
//! do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::labels::Labels;
use super::plan::{Plan, plan};
use super::present::{Holder, Present, copy_of};
use crate::access::{Catalogue, Permissions, Rule, Views};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::names;
use crate::kernel::translations::Texts;
use crate::tenancy::roles::role::{Role, Scope, Template};

const LABELS: [&str; 4] = ["reader", "writer", "keeper", "Chief"];

/// What may happen to templates and roles between two syncs.
#[derive(Debug, Clone)]
enum Happening {
    TemplateMade(usize),
    TemplateDeleted(usize),
    TemplateRenamed(usize, usize),
    TemplatesSwapped(usize, usize),
    TemplateDescribed(usize),
    TemplatePermits(usize, usize),
    RoleMade(usize),
    CopyRenamed(usize, usize),
    CopyPermits(usize, usize),
    CopyHeld(usize),
    Synced(bool),
}
use Happening::*;

fn happening() -> impl Strategy<Value = Happening> {
    let (n, label) = (0usize..4, 0usize..4);
    prop_oneof![
        label.clone().prop_map(TemplateMade),
        n.clone().prop_map(TemplateDeleted),
        (n.clone(), label.clone()).prop_map(|(n, label)| TemplateRenamed(n, label)),
        (n.clone(), n.clone()).prop_map(|(one, other)| TemplatesSwapped(one, other)),
        n.clone().prop_map(TemplateDescribed),
        (n.clone(), 0usize..3).prop_map(|(n, table)| TemplatePermits(n, table)),
        label.clone().prop_map(RoleMade),
        (n.clone(), label).prop_map(|(n, label)| CopyRenamed(n, label)),
        (n.clone(), 0usize..3).prop_map(|(n, table)| CopyPermits(n, table)),
        n.prop_map(CopyHeld),
        any::<bool>().prop_map(Synced),
    ]
}

#[derive(Debug, Default)]
struct World {
    templates: Vec<Template>,
    present: Vec<Present>,
}

fn role(label: &str, template: Option<RoleId>) -> Role {
    Role {
        id: RoleId::new(),
        label: label.to_owned(),
        description: Texts::new(),
        scope: Scope::Instance,
        mandate_id: None,
        feature_code: None,
        instance_id: None,
        template_role_id: template,
        protected: false,
        version: 1,
    }
}

fn permits(number: usize) -> Permissions {
    let (table, view) = ["*", "ledgers", "gone"].map(|name| (name, name))[number % 3];
    let views: Views = [(view.to_owned(), number.is_multiple_of(2))].into();
    Permissions { tables: [(table.to_owned(), Rule::ALL)].into(), views }
}

fn catalogue() -> Catalogue {
    Catalogue::instance(["ledgers".to_owned()], ["ledgers".to_owned()])
}

impl World {
    /// Labels are unique among templates, and among the roles of the instance.
    fn is_free(&self, label: usize, among_templates: bool) -> bool {
        let taken =
            |role: &Role| names::key_of_stored(&role.label) == names::key_of_stored(LABELS[label]);
        if among_templates {
            !self.templates.iter().any(|t| taken(&t.role))
        } else {
            !self.present.iter().any(|p| taken(&p.role))
        }
    }

    fn happens(&mut self, happening: &Happening) {
        let (templates, present) = (self.templates.len(), self.present.len());
        match *happening {
            TemplateMade(label) if self.is_free(label, true) => {
                self.templates.push(Template {
                    role: role(LABELS[label], None),
                    permissions: permits(label),
                });
            }
            TemplateDeleted(n) if n < templates => drop(self.templates.remove(n)),
            TemplateRenamed(n, label) if n < templates && self.is_free(label, true) => {
                LABELS[label].clone_into(&mut self.templates[n].role.label);
            }
            TemplatesSwapped(one, other) if one < templates && other < templates => {
                let (a, b) = (
                    self.templates[one].role.label.clone(),
                    self.templates[other].role.label.clone(),
                );
                self.templates[one].role.label = b;
                self.templates[other].role.label = a;
            }
            TemplateDescribed(n) if n < templates => {
                self.templates[n]
                    .role
                    .description
                    .insert("en".to_owned(), format!("as of {present}"));
            }
            TemplatePermits(n, table) if n < templates => {
                self.templates[n].permissions = permits(table);
            }
            RoleMade(label) if self.is_free(label, false) => {
                self.present.push(Present {
                    role: role(LABELS[label], None),
                    permissions: permits(label),
                    holders: Vec::new(),
                });
            }
            CopyRenamed(n, label) if n < present && self.is_free(label, false) => {
                LABELS[label].clone_into(&mut self.present[n].role.label);
            }
            CopyPermits(n, table) if n < present => self.present[n].permissions = permits(table),
            CopyHeld(n) if n < present => {
                self.present[n].holders =
                    vec![Holder { user_id: UserId::new(), username: "ann".to_owned() }];
            }
            Synced(add_only) => self.sync(add_only),
            _ => {}
        }
    }

    fn plan(&self, add_only: bool) -> Plan {
        plan(&self.templates, &self.present, &catalogue(), add_only, UserId::new())
    }

    /// As the database does it, in the order of `apply`: whatever is done, no two roles have one
    /// label.
    fn sync(&mut self, add_only: bool) {
        let plan = self.plan(add_only);
        self.present.retain(|role| !plan.remove.iter().any(|gone| gone.role.id == role.role.id));
        for reset in plan.reset {
            let copy =
                self.present.iter_mut().find(|role| role.role.id == reset.copy.role.id).unwrap();
            copy.permissions = reset.to;
            copy.role.label = reset.label.unwrap_or(copy.role.label.clone());
            copy.role.description = reset.description.unwrap_or(copy.role.description.clone());
            copy.role.version += 1;
        }
        for template in plan.add {
            let role = Role {
                description: template.role.description,
                ..role(&template.role.label, Some(template.role.id))
            };
            self.present.push(Present {
                role,
                permissions: template.permissions,
                holders: Vec::new(),
            });
        }
        let labels: BTreeSet<_> =
            self.present.iter().map(|role| names::key_of_stored(&role.role.label)).collect();
        assert_eq!(labels.len(), self.present.len(), "two roles with one label");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_sync_leaves_nothing_to_do(history in vec(happening(), 0..24), add_only: bool) {
        let mut world = World::default();
        for happening in &history {
            world.happens(happening);
        }
        world.sync(add_only);
        let (again, versions) = (world.plan(add_only),
            |world: &World| world.present.iter().map(|r| (r.role.id,
            r.role.version)).collect::<BTreeMap<_, _>>());
        prop_assert_eq!((again.report.added, again.report.updated, again.report.removed),
            (0, 0, 0), "{:?}", again.report);
        let before = versions(&world);
        world.sync(add_only);
        prop_assert_eq!(versions(&world), before);
        // Every template whose label nobody else has is there.
        let labels = Labels::of(&world.templates, &world.present, add_only);
        for template in world.templates.iter().filter(|template| !labels.withholds(template)) {
            prop_assert!(copy_of(template, &world.present).is_some(), "no copy of {}",
                template.role.label);
        }
        if !add_only {
            prop_assert!(world.present.iter().filter(|role| copy_of_any(role,
                &world.templates)).all(|role| role.permissions.stale(&catalogue()).is_empty()));
        }
    }
}

fn copy_of_any(role: &Present, templates: &[Template]) -> bool {
    templates.iter().any(|template| role.role.template_role_id == Some(template.role.id))
}
