//! The audit trail, of a mandate and of the platform.

use uuid::Uuid;

use crate::model::call::Call;
use crate::model::dice::Dice;
use crate::model::enter::{Entered, Guard};
use crate::model::operations::{LIST, Operation, Told};
use crate::model::pages::{Asked, Row};
use crate::model::reply::{Outcome, Refusal};
use crate::model::world::access::{ALL, READ};
use crate::model::world::{Event, World};

const FILTERS: &[&str] = &["actorId", "action", "resourceType", "targetId", "from", "to"];

pub const OPERATIONS: &[Operation] = &[
    Operation::get(
        "list_audit_events",
        "/api/mandates/{mandateId}/audit",
        Guard::MandateOrSys("audit", READ),
        draw,
        list,
    )
    .asking(&[LIST, FILTERS]),
    Operation::get("list_platform_audit_events", "/api/audit", Guard::Sys, draw_platform, list)
        .asking(&[LIST, FILTERS]),
];

fn draw(dice: &mut Dice<'_>) -> Option<()> {
    dice.mandate_in_path()?;
    draw_platform(dice)
}

fn draw_platform(dice: &mut Dice<'_>) -> Option<()> {
    dice.list(&["-at"]);
    match dice.below(9) {
        0 => {
            let user = dice.user()?;
            dice.ask("actorId", user);
        }
        1 => {
            let user = dice.user()?;
            dice.ask("targetId", user);
        }
        2 => {
            let action = dice
                .one_of(&dice.world.trail.iter().map(|event| event.action).collect::<Vec<_>>())?;
            dice.ask("action", action);
        }
        3 => dice.ask("from", "2001-01-01T00:00:00Z"),
        4 => {
            let kind =
                dice.one_of(&dice.world.trail.iter().map(|event| event.kind).collect::<Vec<_>>())?;
            dice.ask("resourceType", kind);
        }
        5 => {
            let (name, word) =
                [("action", "role_asigned"), ("resourceType", "members")][dice.below(2)];
            dice.ask(name, word);
        }
        _ => {}
    }
    Some(())
}

fn list(world: &mut World, entered: &Entered, call: &Call, _: &Told) -> Outcome {
    let (actor, target) = (call.asked_as::<Uuid>("actorId")?, call.asked_as::<Uuid>("targetId")?);
    if call.asked("action") == Some("role_asigned") || call.asked("resourceType") == Some("members")
    {
        return Err(Refusal::of(400, "invalid_parameter"));
    }
    let asked = Asked::of(world, call, &["-at"])?;
    let scope = entered.named_mandate().filter(|_| call.names("mandateId"));
    let level = if scope.is_some() { world.level(entered, "audit", READ) } else { ALL };
    let peers = scope.map(|mandate| world.peers(mandate, entered.user)).unwrap_or_default();
    // An event is mine when I am its actor.
    let reached = |event: &Event| match event.actor {
        Some(actor) if actor == entered.user => true,
        Some(actor) if peers.contains(&actor) => level >= 2,
        _ => level == ALL,
    };
    let found = |event: &Event| {
        let is_target =
            |id: Uuid| event.target == Some(id) || event.resource == Some(id.to_string());
        event.mandate == scope
            && reached(event)
            && actor.is_none_or(|actor| event.actor == Some(actor))
            && call.asked("action").is_none_or(|action| event.action == action)
            && call.asked("resourceType").is_none_or(|kind| event.kind == kind)
            && target.is_none_or(is_target)
    };
    let rows = world.trail.iter().enumerate().filter(|(_, event)| found(event));
    asked.page(
        rows.map(|(index, event)| {
            Row::of(format!("{index:08}"), Uuid::nil(), world.event_answer(event))
        })
        .collect(),
    )
}
