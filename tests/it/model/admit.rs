//! What those who were let in may do: their levels, the rows that these reach, and whom they may
//! change.

use uuid::Uuid;

use super::enter::Entered;
use super::reply::Refusal;
use super::world::World;
use super::world::access::{ALL, CREATE, Merged, READ, least};

/// 404 where the row may not be seen, 403 where it may be but the operation does not reach it.
pub fn admit(
    table: &str,
    operation: usize,
    (level, read): (u8, u8),
    needed: u8,
) -> Result<(), Refusal> {
    if operation != CREATE && read < needed {
        return Err(Refusal::not_found());
    }
    if level < needed { Err(Refusal::denied(table, operation, needed)) } else { Ok(()) }
}

/// Levels on a table of the instance: all of it by the mandate's table `instances`, where that
/// reaches the instance; or by the caller's own access. First the operation's, then that of
/// reading.
pub fn levels_by_row(
    world: &World,
    entered: &Entered,
    (through, by): (&str, usize),
    (table, operation): (&str, usize),
) -> Result<(u8, u8), Refusal> {
    let needed = world.instance_nearness(entered, entered.instance());
    let (level, read) = (world.level(entered, through, by), world.level(entered, through, READ));
    let whole = |level: u8| if level >= needed { ALL } else { 0 };
    let levels = (
        whole(level).max(world.own_level(entered, table, operation)),
        whole(read).max(world.own_level(entered, table, READ)),
    );
    match levels.0 {
        0 if level > 0 && read >= needed => Err(Refusal::denied(through, by, needed)),
        0 if level > 0 => Err(Refusal::not_found()),
        0 => Err(Refusal::denied(table, operation, least(table, operation))),
        _ => Ok(levels),
    }
}

impl World {
    /// The caller's level on a table of the mandate.
    pub fn level(&self, entered: &Entered, table: &str, operation: usize) -> u8 {
        if entered.as_sys {
            ALL
        } else {
            self.in_mandate(entered.mandate(), entered.user).level(table, operation)
        }
    }
    /// The caller's own level on a table of the instance; a SysAdmin has none.
    pub fn own_level(&self, entered: &Entered, table: &str, operation: usize) -> u8 {
        let Some(instance) = entered.named_instance().filter(|_| !entered.as_sys) else { return 0 };
        if self.is_admitted(instance, entered.user) {
            self.in_instance(instance, entered.user).level(table, operation)
        } else {
            0
        }
    }
    /// Whether the caller can only give what is within their own access.
    pub fn is_delegate(&self, entered: &Entered) -> bool {
        !entered.as_sys && !self.is_admin(entered.mandate(), entered.user)
    }
    /// The caller's own access in the instance; nothing where they were not admitted.
    pub fn own_access(&self, entered: &Entered) -> Merged {
        let open = !entered.as_sys && self.is_admitted(entered.instance(), entered.user);
        if open {
            self.in_instance(entered.instance(), entered.user)
        } else {
            Merged::of([], &self.catalogue_of(entered.instance()))
        }
    }
    /// Whether the caller may do so with a row of a table of the mandate.
    pub fn admit(
        &self,
        entered: &Entered,
        table: &str,
        operation: usize,
        needed: u8,
    ) -> Result<(), Refusal> {
        let levels = [operation, READ].map(|operation| self.level(entered, table, operation));
        admit(table, operation, levels.into(), needed)
    }
    /// Whether the caller may do so with a row of a table of the feature.
    pub fn admit_own(
        &self,
        entered: &Entered,
        table: &str,
        operation: usize,
        needed: u8,
    ) -> Result<(), Refusal> {
        let levels = [operation, READ].map(|operation| self.own_level(entered, table, operation));
        admit(table, operation, levels.into(), needed)
    }
    /// 403 where a delegate would change somebody whose access is not within theirs: in the whole
    /// mandate, or in one instance.
    pub fn require_targets(
        &self,
        entered: &Entered,
        only: Option<Uuid>,
        targets: impl IntoIterator<Item = Uuid>,
    ) -> Result<(), Refusal> {
        let within = |target: Uuid| {
            target == entered.user
                || self.whole_within(entered.mandate(), target, entered.user, only)
        };
        let fine = !self.is_delegate(entered) || targets.into_iter().all(within);
        if fine { Ok(()) } else { Err(Refusal::of(403, "target_exceeds_own_access")) }
    }
}
