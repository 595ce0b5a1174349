//! Who may be brought to share a group with whom: pair by pair, as docs/security.md words it.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::super::enter::Entered;
use super::super::reply::Refusal;
use super::World;
use super::access::{ALL, DELETE, MINE, Merged, NEAR, READ, Rule, UPDATE};

const GROUP: u8 = 2;

/// A place, and the rule of each table there; without a name for the tables that are not there any
/// more, or not yet (`*`).
type Place = (Option<Uuid>, Vec<(Option<String>, Rule)>);

impl World {
    /// Whether a delegate would come to reach a row of a mandate table once it is nearer: `read`,
    /// `update` or `delete` at a level that reaches it then and did not before.
    pub fn gains_by_nearness(&self, entered: &Entered, table: &str, before: u8, after: u8) -> bool {
        let level = |operation| self.level(entered, table, operation);
        self.is_delegate(entered)
            && [READ, UPDATE, DELETE].into_iter().any(|op| after <= level(op) && level(op) < before)
    }

    pub fn require_regrouping(
        &self,
        entered: &Entered,
        before: &BTreeSet<Uuid>,
        after: &BTreeSet<Uuid>,
    ) -> Result<(), Refusal> {
        let (mandate, me) = (entered.mandate(), entered.user);
        if !self.is_delegate(entered) && !entered.flag {
            return Ok(());
        }
        let added: Vec<Uuid> = after.difference(before).copied().collect();
        let apart =
            |one: Uuid, other: Uuid| one != other && !self.peers(mandate, one).contains(&other);
        let own_gain = after.contains(&me)
            && self.has_group_level(mandate, me)
            && added.iter().any(|user| apart(me, *user));
        let nearness = |members: &BTreeSet<Uuid>| self.nearness(mandate, me, members);
        let nearer = !added.is_empty()
            && self.gains_by_nearness(entered, "groups", nearness(before), nearness(after));
        if added.contains(&me) || own_gain || nearer {
            return Err(Refusal::of(403, "self_escalation"));
        }
        self.require_targets(
            entered,
            None,
            added.iter().copied().chain(before.difference(after).copied()),
        )?;
        let opened = |one: Uuid, other: Uuid| {
            apart(one, other)
                && (self.opens(entered, one, other) || self.opens(entered, other, one))
        };
        if self.is_delegate(entered)
            && added.iter().any(|one| after.iter().any(|other| opened(*one, *other)))
        {
            return Err(Refusal::of(403, "grant_exceeds_own_access"));
        }
        Ok(())
    }

    /// A delegate does not give `g` to somebody who is near people to whom they themselves are not.
    pub fn require_opens_nothing(
        &self,
        entered: &Entered,
        instance: Option<Uuid>,
        receivers: &BTreeSet<Uuid>,
        given: &[&super::Permissions],
    ) -> Result<(), Refusal> {
        let (mandate, me) = (entered.mandate(), entered.user);
        let own = match instance {
            None => self.in_mandate(mandate, me),
            Some(id) if self.is_admitted(id, me) => self.in_instance(id, me),
            Some(_) => Merged::default(),
        };
        let catalogue =
            instance.map_or_else(super::Catalogue::of_mandates, |id| self.catalogue_of(id));
        let rules = Self::rules_of(given, &catalogue);
        let falls_short = rules.iter().any(|(table, rule)| {
            (0..4).any(|op| {
                rule.levels[op] == GROUP
                    && table.as_ref().map_or(own.star.levels[op], |table| own.level(table, op))
                        < ALL
            })
        });
        let near = self.peers(mandate, me);
        let is_beyond = |receiver: &Uuid| {
            let peers = self.peers(mandate, *receiver);
            *receiver != me
                && peers.iter().any(|peer| peer != receiver && *peer != me && !near.contains(peer))
        };
        if self.is_delegate(entered) && falls_short && receivers.iter().any(is_beyond) {
            return Err(Refusal::of(403, "grant_exceeds_own_access"));
        }
        Ok(())
    }

    /// Whether somebody would reach rows of another by groups that the caller does not reach.
    fn opens(&self, entered: &Entered, viewer: Uuid, owner: Uuid) -> bool {
        let (mandate, me) = (entered.mandate(), entered.user);
        let needed = match owner {
            _ if owner == me => MINE,
            _ if self.peers(mandate, me).contains(&owner) => NEAR,
            _ => ALL,
        };
        viewer != me
            && self.places_of(mandate, viewer).into_iter().any(|(instance, rules)| {
                let own = match instance {
                    None => self.in_mandate(mandate, me),
                    Some(id) if self.is_admitted(id, me) => self.in_instance(id, me),
                    Some(_) => Merged::default(),
                };
                let too_little = |(table, rule): (&Option<String>, &Rule), op: usize| {
                    let mine =
                        table.as_ref().map_or(own.star.levels[op], |table| own.level(table, op));
                    rule.levels[op] == GROUP && mine < needed
                };
                rules.iter().any(|(table, rule)| (0..4).any(|op| too_little((table, rule), op)))
            })
    }

    fn has_group_level(&self, mandate: Uuid, user: Uuid) -> bool {
        self.places_of(mandate, user)
            .iter()
            .any(|(_, rules)| rules.iter().any(|(_, rule)| rule.levels.contains(&GROUP)))
    }

    /// All that somebody was given.
    fn places_of(&self, mandate: Uuid, user: Uuid) -> Vec<Place> {
        let held = self.member(mandate, user).map(|row| (None, &row.roles)).into_iter();
        let admissions =
            self.admissions.iter().filter(|row| (row.mandate, row.user) == (mandate, user));
        let places = held.chain(admissions.map(|row| (Some(row.instance), &row.roles)));
        let rules = |(place, roles): (Option<Uuid>, &BTreeSet<Uuid>)| {
            let catalogue = place
                .map_or_else(super::Catalogue::of_mandates, |instance| self.catalogue_of(instance));
            let permissions: Vec<_> =
                roles.iter().map(|role| &self.role(*role).unwrap().permissions).collect();
            (place, Self::rules_of(&permissions, &catalogue))
        };
        places.map(rules).collect()
    }

    fn rules_of(
        permissions: &[&super::Permissions],
        catalogue: &super::Catalogue,
    ) -> Vec<(Option<String>, Rule)> {
        let merged = Merged::of(permissions.iter().copied(), catalogue);
        let star = merged.star;
        let known = merged.tables.into_iter().map(|(table, rule)| (Some(table), rule));
        // What is stale is joined, as one table.
        let stale = permissions
            .iter()
            .flat_map(|role| role.stale_rules(catalogue))
            .fold(Rule::default(), Rule::join);
        known.chain([(None, stale), (None, star)]).collect()
    }

    /// The same where a membership is enabled again: all that its holder was given counts then.
    pub fn require_revival_opens_nothing(
        &self,
        entered: &Entered,
        user: Uuid,
    ) -> Result<(), Refusal> {
        let mandate = entered.mandate();
        let roles = self.member(mandate, user).map(|row| row.roles.clone()).unwrap_or_default();
        let admissions =
            self.admissions.iter().filter(|row| (row.mandate, row.user) == (mandate, user));
        for (place, roles) in
            admissions.map(|row| (Some(row.instance), row.roles.clone())).chain([(None, roles)])
        {
            let given: Vec<_> =
                roles.iter().map(|role| &self.role(*role).unwrap().permissions).collect();
            self.require_opens_nothing(entered, place, &[user].into(), &given)?;
        }
        Ok(())
    }
}
