//! Roles that are made and listed: of a mandate, and of an instance.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal, Reply};
use crate::model::shape::{self, Kind, may, needs, shaped};
use crate::model::world::access::{CREATE, READ};
use crate::model::world::{Event, Permissions, Role, World, key};

const OF_MANDATE: &str = "/api/mandates/{mandateId}/roles";
const OF_INSTANCE: &str = "/api/features/instances/{instanceId}/roles";

const fn by_instance(operation: usize) -> Guard {
    Guard::Instance {
        through: ("roles", operation),
        own: Some(("instance-roles", operation)),
        sys: false,
    }
}

pub const OPERATIONS: &[Operation] = &[
    Operation::get(
        "list_mandate_roles",
        OF_MANDATE,
        Guard::MandateOrSys("roles", READ),
        draw_list,
        list,
    )
    .asking(&[LIST]),
    Operation::post(
        "create_mandate_role",
        OF_MANDATE,
        Guard::MandateOrSys("roles", CREATE),
        draw_create,
        create,
    ),
    Operation::get(
        "list_instance_roles",
        OF_INSTANCE,
        by_instance(READ),
        draw_list_of_instance,
        list,
    )
    .asking(&[LIST]),
    Operation::post(
        "create_instance_role",
        OF_INSTANCE,
        by_instance(CREATE),
        draw_create_in_instance,
        create,
    ),
];

fn draw_list(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate_in_path()?;
    dice.list(&["label"]);
    Some(())
}

fn draw_list_of_instance(dice: &mut Dice<'_>) -> Option<()> {
    dice.instance_in_path()?;
    dice.list(&["label"]);
    Some(())
}

/// The instance of the path, where it names one.
fn place(entered: &Entered, call: &Call) -> Option<Uuid> {
    call.names("instanceId").then(|| entered.instance())
}

/// A level on roles: by the mandate's table or, in an instance, also by its own.
pub fn level(world: &World, entered: &Entered, instance: Option<Uuid>, operation: usize) -> u8 {
    let own =
        if instance.is_some() { world.own_level(entered, "instance-roles", operation) } else { 0 };
    world.level(entered, "roles", operation).max(own)
}

fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let asked = Asked::of(world, call, &["label"])?;
    let (mandate, instance) = (entered.mandate(), place(entered, call));
    let level = level(world, entered, instance, READ);
    // A role is mine when I hold it.
    let near =
        |role: &&Role| world.nearness(mandate, entered.user, &world.holders(role.id)) <= level;
    let rows = world
        .roles_of(mandate, instance)
        .filter(near)
        .map(|role| Row::of(key(&role.label), role.id, role.answer()));
    asked.page(rows.collect())
}

fn draw_role(dice: &mut Dice<'_>) {
    let (label, description) = (dice.name(), dice.texts());
    let mut body = dice.some(vec![("description", 0.4, description)]);
    body.insert("label".to_owned(), json!(label));
    dice.send(body.into());
}

fn draw_create(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate_in_path()?;
    draw_role(dice);
    Some(())
}

fn draw_create_in_instance(dice: &mut Dice<'_>) -> Option<()> {
    dice.instance_in_path()?;
    draw_role(dice);
    Some(())
}

/// 409 where another role of the same place has the label.
pub fn require_free(world: &World, role: &Role) -> Result<(), Refusal> {
    let place = (role.mandate, role.instance, &role.feature);
    let taken = |row: &Role| {
        row.id != role.id
            && (row.mandate, row.instance, &row.feature) == place
            && key(&row.label) == key(&role.label)
    };
    if world.roles.iter().any(|row| taken(row)) {
        Err(Refusal::of(409, "label_taken"))
    } else {
        Ok(())
    }
}

/// A role without permissions.
pub fn bare(id: Uuid, label: String) -> Role {
    Role {
        id,
        mandate: None,
        instance: None,
        feature: None,
        template: None,
        label,
        description: [].into(),
        protected: false,
        version: 1,
        permissions: Permissions::default(),
    }
}

fn create(world: &mut World, entered: &Entered, call: &Call, told: &Told) -> Outcome {
    let body = shaped(call, &[needs("label", Kind::Text), may("description", Kind::Texts)])?;
    let label = shape::named(body, "label")?.unwrap_or_default();
    let (mandate, instance) = (entered.mandate(), place(entered, call));
    let feature = instance.map(|id| world.instance(id).feature.clone());
    let description = shape::texts(body, "description").unwrap_or_default();
    let role =
        Role { mandate: Some(mandate), instance, feature, description, ..bare(told.id(), label) };
    require_free(world, &role)?;
    let answer = role.answer();
    world.note(entered.user, mandate, Event::of("role_created", "role", role.id));
    world.roles.push(role.into());
    Ok(Reply::created(answer))
}

impl World {
    /// Copies the templates of mandates, or of a feature, to a new mandate or instance: permissions
    /// included, each remembering its template.
    pub fn copy_templates(
        &mut self,
        feature: Option<&str>,
        mandate: Uuid,
        instance: Option<Uuid>,
        told: &Told,
    ) {
        let all: BTreeSet<Uuid> = self.templates_of(feature).map(|template| template.id).collect();
        for template in all {
            self.copy_template(template, mandate, instance, told);
        }
    }
    pub fn copy_template(
        &mut self,
        template: Uuid,
        mandate: Uuid,
        instance: Option<Uuid>,
        told: &Told,
    ) {
        let original = self.role(template).unwrap().clone();
        let id = told.copy_of(template);
        let copy = Role {
            id,
            mandate: Some(mandate),
            instance,
            template: Some(template),
            version: 1,
            ..original
        };
        self.roles.push(copy.into());
    }
}
