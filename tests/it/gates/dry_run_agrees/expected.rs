//! The preview as it must be, made from two looks at the tables.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::escalation::calls::Call;
use super::super::escalation::reach::Snapshot;
use super::super::escalation::stage::Theatre;

/// The mandate whose access the call changes; a template's is in none.
pub fn place_of(call: &Call, view: &Snapshot) -> Option<Uuid> {
    let named: Uuid = call.path.split('/').find_map(|part| part.parse().ok()).unwrap();
    if call.path.starts_with("/api/roles") {
        view.role(named).mandate
    } else if call.path.starts_with("/api/features") {
        view.instances.iter().find(|instance| instance.1 == named).map(|instance| instance.0)
    } else {
        Some(named)
    }
}

/// The preview as it must be, made from two looks at the tables.
pub fn differences(before: &Snapshot, after: &Snapshot, mandate: Option<Uuid>) -> Value {
    let (mut changes, mut gained, mut lost, mut users) = (Vec::new(), 0, 0, BTreeSet::new());
    for user in after.users.iter().map(|user| user.0) {
        let (from, to) = (before.effective(user), after.effective(user));
        for (place, table) in from.keys().chain(to.keys()).collect::<BTreeSet<_>>() {
            let key = (*place, table.clone());
            let levels =
                |looked: &BTreeMap<_, [u8; 4]>| looked.get(&key).copied().unwrap_or_default();
            for (index, operation) in ["read", "create", "update", "delete"].into_iter().enumerate()
            {
                let (from, to) = (levels(&from)[index], levels(&to)[index]);
                if from == to {
                    continue;
                }
                assert_eq!(Some(place.0), mandate, "another mandate's access changed");
                let letter = |level: u8| ["n", "m", "g", "a"][usize::from(level)];
                changes.push(json!({
                    "userId": user, "instanceId": place.1, "table": table, "operation": operation,
                    "from": letter(from), "to": letter(to),
                }));
                users.insert(user);
                gained += usize::from(to > from);
                lost += usize::from(to < from);
            }
        }
    }
    let admins_left = mandate.map(|mandate| after.effective_admins(mandate));
    json!({
        "changes": changes, "totals": { "users": users.len(), "gained": gained, "lost": lost },
        "adminsLeft": admins_left,
    })
}

/// Whether the caller's membership is disabled, so that they can leave and learn nothing else.
pub fn may_only_leave(caller: Uuid, call: &Call, view: &Snapshot) -> bool {
    let is_sys_admin = view.users.contains(&(caller, true));
    place_of(call, view).is_some_and(|mandate| {
        !is_sys_admin && view.memberships.contains(&(mandate, caller, false))
    })
}

/// What those are told.
pub fn nothing_told() -> Value {
    json!({
        "changes": [], "totals": { "users": 0, "gained": 0, "lost": 0 }, "adminsLeft": null,
    })
}

/// Whom each person reaches by groups and did not, and the other way round.
pub fn reach(before: &Snapshot, after: &Snapshot, mandate: Uuid) -> Value {
    let (mut changes, mut all_gained, mut all_lost) = (Vec::new(), 0, 0);
    for user in after.users.iter().map(|user| user.0) {
        let (then, now) = (before.by_groups(mandate, user), after.by_groups(mandate, user));
        let [gains, loses] = [&now - &then, &then - &now];
        if gains.is_empty() && loses.is_empty() {
            continue;
        }
        all_gained += gains.len();
        all_lost += loses.len();
        changes.push(json!({
            "userId": user, "gains": gains, "loses": loses, "gained": gains.len(),
            "lost": loses.len(),
        }));
    }
    json!({
        "totals": { "users": changes.len(), "gained": all_gained, "lost": all_lost },
        "changes": changes,
    })
}

/// The preview as it is told: of whom the call names, and of those whom the caller may list, in the
/// mandate or in the instance. Also how many were left out.
pub fn named_to(
    mut preview: Value,
    theatre: &Theatre,
    call: &Call,
    before: &Snapshot,
) -> (Value, usize) {
    let Some(mandate) = place_of(call, before) else { return (preview, 0) };
    let caller = theatre.people[call.actor].id;
    let ids: BTreeSet<Uuid> =
        call.path.split(['/', '?']).filter_map(|part| part.parse().ok()).collect();
    let named_in = |field: &str| {
        call.body.as_ref().and_then(|body| body[field].as_str()?.parse::<Uuid>().ok())
    };
    let in_body = named_in("userId").or_else(|| named_in("targetUserId"));
    let instance =
        before.roles.iter().find(|role| ids.contains(&role.id)).and_then(|role| role.instance);
    let instance =
        instance.or_else(|| before.instances.iter().map(|row| row.1).find(|id| ids.contains(id)));
    // SysAdmins govern, except roles and groups, which they reach as members.
    let as_members = call.path.starts_with("/api/roles") || call.path.contains("/groups/");
    let governs = before.users.contains(&(caller, true)) && !as_members;
    let level = |instance: Option<Uuid>, table: &str| {
        let effective = before.effective(caller);
        if governs {
            3
        } else {
            effective.get(&((mandate, instance), table.to_owned())).map_or(0, |levels| levels[0])
        }
    };
    let by_members = level(None, "members");
    let groups = |user: Uuid| {
        let own = before.group_members.iter().filter(move |row| row.0 == mandate && row.2 == user);
        own.map(|row| row.1)
    };
    let nearness = |user: Uuid| match user {
        _ if user == caller => 1,
        _ if groups(user).any(|group| groups(caller).any(|own| own == group)) => 2,
        _ => 3,
    };
    let admitted = |instance: Uuid, user: Uuid, enabled: bool| {
        before.accesses.iter().any(|row| (row.0, row.1) == (instance, user) && (row.2 || !enabled))
    };
    let instance_nearness = |instance: Uuid| {
        let others = before
            .accesses
            .iter()
            .filter(|row| row.0 == instance && row.2)
            .map(|row| nearness(row.1))
            .min()
            .unwrap_or(3);
        if admitted(instance, caller, true) { 1 } else { others.max(2) }
    };
    let listed_in = |instance: Uuid, user: Uuid| {
        let by_row = if level(None, "instances") >= instance_nearness(instance) { 3 } else { 0 };
        admitted(instance, user, false)
            && nearness(user) <= by_row.max(level(Some(instance), "access"))
    };
    let named = |user: Uuid| {
        let by_call = ids.contains(&user) || in_body == Some(user) || user == caller;
        by_call
            || nearness(user) <= by_members
            || instance.is_some_and(|instance| listed_in(instance, user))
    };
    let left_out = keep_named(&mut preview, |id| named(id.as_str().unwrap().parse().unwrap()));
    (preview, left_out)
}

/// Leaves those in it that are named; how many people were left out.
fn keep_named(preview: &mut Value, is_named: impl Fn(&Value) -> bool) -> usize {
    let mut people = BTreeSet::new();
    let mut only_named = |changes: &mut Value| {
        changes.as_array_mut().unwrap().retain(|change| {
            let told = is_named(&change["userId"]);
            if !told {
                people.insert(change["userId"].to_string());
            }
            told
        });
    };
    only_named(&mut preview["changes"]);
    if let Some(reach) = preview.get_mut("reach") {
        only_named(&mut reach["changes"]);
        for change in reach["changes"].as_array_mut().unwrap() {
            for list in ["gains", "loses"] {
                change[list].as_array_mut().unwrap().retain(|id| is_named(id));
            }
        }
    }
    people.len()
}
