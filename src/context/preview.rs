//! What a change of access does, told instead of done. In a dry run the change is really made, in
//! its own transaction, under its own locks and with every check down to the deferred ones; then
//! effective access is looked at as it became and, back at the mark that was set after the locks,
//! as it was. So nothing can be refused otherwise than in earnest, and there is no second opinion
//! on what a change means. Of whose access changes, only those are named whom the caller may know
//! ([`super::naming`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::audit::recorded::Recorded;
use super::change::Change;
use super::concerned::Concerned;
use super::effective::{Place, effective_admins};
use super::instance::InstanceContext;
use super::mandate::MandateContext;
use super::outcome::{AccessChange, AccessPreview, AccessTotals, Outcome};
use super::reach::{Changed, Moves};
use super::transaction::Writing;
use crate::access::{Level, Merged, Operation};
use crate::kernel::db::ActAs;
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// The most users whose changes are listed.
const LISTED: usize = 200;

impl Change<MandateContext> {
    /// Commits; or, in a dry run, tells what changed and undoes it.
    pub async fn conclude<T>(
        mut self,
        recorded: Recorded,
        concerned: Concerned,
        answer: T,
    ) -> Result<Outcome<T>> {
        if !self.transaction.is_dry_run() {
            return self.commit(recorded).await.map(|()| Outcome::Done(answer));
        }
        let context = self.context.clone();
        if context.is_suspended() {
            // They have no access to lose; how others stand is not theirs to know.
            self.check().await?;
            return self
                .commit(recorded)
                .await
                .map(|()| Outcome::Preview(AccessPreview::default()));
        }
        let difference = difference(&mut self, context.mandate(), concerned).await?;
        let nameable = context.nameable(&mut self, &difference.users()).await?;
        self.commit(recorded).await?;
        difference.told(&nameable, concerned).await.map(Outcome::Preview)
    }
}

impl Change<InstanceContext> {
    /// Commits; or, in a dry run, tells what changed and undoes it.
    pub async fn conclude<T>(
        mut self,
        recorded: Recorded,
        concerned: Concerned,
        answer: T,
    ) -> Result<Outcome<T>> {
        if !self.transaction.is_dry_run() {
            return self.commit(recorded).await.map(|()| Outcome::Done(answer));
        }
        let context = self.context.clone();
        let difference = difference(&mut self, context.mandate().mandate(), concerned).await?;
        let nameable = context.nameable(&mut self, &difference.users()).await?;
        self.commit(recorded).await?;
        difference.told(&nameable, concerned).await.map(Outcome::Preview)
    }
}

impl Writing {
    /// Commits a change of what nobody holds, such as a template; or, in a dry run, tells that no
    /// access changed and undoes it.
    pub async fn conclude<T>(self, recorded: Recorded, answer: T) -> Result<Outcome<T>> {
        let dry_run = self.0.is_dry_run();
        self.commit(recorded).await?;
        Ok(if dry_run { Outcome::Preview(AccessPreview::default()) } else { Outcome::Done(answer) })
    }
}

/// What changed for everybody.
struct Difference {
    by_user: BTreeMap<UserId, Vec<AccessChange>>,
    admins_left: i64,
    moves: Option<Moves>,
}

/// Looks at what the change did, and undoes it.
async fn difference<C>(
    change: &mut Change<C>,
    mandate: MandateId,
    concerned: Concerned,
) -> Result<Difference> {
    change.check().await?;
    change.transaction.act_as(ActAs::System).await?;
    let after = concerned.levels(change, mandate).await?;
    let regrouped = Changed::look(change, mandate, concerned).await?;
    let admins_left = effective_admins(change, mandate).await?;
    change.transaction.back_to_mark().await?;
    let before = concerned.levels(change, mandate).await?;
    let moves = match regrouped {
        Some(regrouped) => Some(regrouped.and_before(change, mandate, (&before, &after)).await?),
        None => None,
    };
    let nowhere = BTreeMap::new();
    let users: BTreeSet<&UserId> = before.keys().chain(after.keys()).collect();
    let changes = |user: &UserId| {
        changes_of(*user, before.get(user).unwrap_or(&nowhere), after.get(user).unwrap_or(&nowhere))
    };
    let by_user = users
        .into_iter()
        .map(|user| (*user, changes(user)))
        .filter(|(_, changes)| !changes.is_empty());
    Ok(Difference { by_user: by_user.collect(), admins_left, moves })
}

impl Difference {
    fn users(&self) -> Vec<UserId> {
        let of_groups = self.moves.iter().flat_map(Moves::users).copied();
        self.by_user.keys().copied().chain(of_groups).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Counts everybody, and names those who may be named.
    async fn told(
        self,
        nameable: &BTreeSet<UserId>,
        concerned: Concerned,
    ) -> Result<AccessPreview> {
        let named: BTreeSet<UserId> = nameable.iter().copied().chain(concerned.user()).collect();
        let all = || self.by_user.values().flatten();
        let gained = all().filter(|change| change.to > change.from).count();
        let totals =
            AccessTotals { users: self.by_user.len(), gained, lost: all().count() - gained };
        let reach = match self.moves {
            Some(moves) => Some(moves.told(named.clone()).await?),
            None => None,
        };
        let listed = self.by_user.into_iter().filter(|(user, _)| named.contains(user)).take(LISTED);
        let changes = listed.flat_map(|(_, changes)| changes).collect();
        Ok(AccessPreview { changes, totals, admins_left: Some(self.admins_left), reach })
    }
}

type Places = BTreeMap<Place, Arc<Merged>>;

fn changes_of(user: UserId, before: &Places, after: &Places) -> Vec<AccessChange> {
    let places: BTreeSet<&Place> = before.keys().chain(after.keys()).collect();
    let changed = places.into_iter().flat_map(|place| {
        let differences =
            differences(before.get(place).map(Arc::as_ref), after.get(place).map(Arc::as_ref));
        differences.into_iter().map(|(table, operation, from, to)| AccessChange {
            user_id: user,
            instance_id: *place,
            table,
            operation,
            from,
            to,
        })
    });
    changed.collect()
}

fn differences(
    from: Option<&Merged>,
    to: Option<&Merged>,
) -> Vec<(String, Operation, Level, Level)> {
    let level = |merged: Option<&Merged>, table: &str, operation| {
        merged.map_or(Level::None, |merged| merged.level(table, operation))
    };
    // A table that only one of two looks at the same place knows came or went meanwhile: changing a
    // feature waits for none of our locks, and is none of our doing.
    let known = |table: &str| {
        [from, to].into_iter().flatten().all(|merged| merged.tables.contains_key(table))
    };
    let tables = from
        .or(to)
        .into_iter()
        .flat_map(|merged| merged.tables.keys())
        .filter(|table| known(table));
    let levels = tables.flat_map(|table| {
        Operation::ALL.map(|operation| {
            (table.clone(), operation, level(from, table, operation), level(to, table, operation))
        })
    });
    levels.filter(|(.., from, to)| from != to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Catalogue, Permissions, Rule};
    use crate::kernel::ids::InstanceId;

    fn access(tables: &[&str], level: Level) -> Arc<Merged> {
        let catalogue = Catalogue::instance(tables.iter().map(|table| (*table).to_owned()), []);
        let rule = Rule { view: true, read: level, ..Rule::default() };
        let permissions =
            Permissions { tables: [("*".to_owned(), rule)].into(), ..Permissions::default() };
        Arc::new(Merged::of([&permissions], &catalogue))
    }

    #[test]
    fn a_table_that_came_meanwhile_is_none_of_the_changes_doing() {
        let (user, place) = (UserId::new(), Some(InstanceId::new()));
        let look = |merged| [(place, merged)].into();
        let (before, after) =
            (look(access(&["notes", "late"], Level::My)), look(access(&["notes"], Level::All)));
        for (one, other) in [(&before, &after), (&after, &before)] {
            let changes = changes_of(user, one, other);
            assert_eq!(
                changes.iter().map(|change| change.table.as_str()).collect::<Vec<_>>(),
                ["access", "instance-roles", "notes"]
            );
        }
        let admitted = changes_of(user, &Places::new(), &before);
        assert!(admitted.iter().any(|change| change.table == "late"
            && change.from == Level::None
            && change.to == Level::My));
    }
}
