//! Proof that somebody may do something: store functions take a [`Grant`], and only a context makes
//! one. Code that forgot to ask does not compile:
//!
//! ```compile_fail
//! use bailiwick::{access::tables::{Members, Read, Update}, context::Grant};
//! fn wants_update(_: &Grant<Members, Update>) {}
//! fn has_read(grant: &Grant<Members, Read>) { wants_update(grant) } // does not fit
//! ```
//! ```compile_fail
//! use bailiwick::{access::tables::{Groups, Members, Read}, context::Grant};
//! fn wants_members(_: &Grant<Members, Read>) {}
//! fn has_groups(grant: &Grant<Groups, Read>) { wants_members(grant) } // nor one for another table
//! ```
//! ```compile_fail
//! use bailiwick::{access::{Level, tables::{Members, Read}}, context::Grant};
//! fn forged() -> Grant<Members, Read> { Grant { level: Level::All } } // and nobody else makes one
//! ```
//! The same with the right grant compiles, so the three fail for the reason that they name:
//! ```
//! use bailiwick::{access::tables::{Members, Update}, context::Grant};
//! fn wants_update(_: &Grant<Members, Update>) {}
//! fn has_update(grant: &Grant<Members, Update>) { wants_update(grant) }
//! ```

use std::marker::PhantomData;

use uuid::Uuid;

use crate::access::decision::reaches;
use crate::access::tables::{Op, Table, least_level};
use crate::access::{Level, Operation};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// Permission to do `O` on table `T` in one mandate (and instance), to the rows that a level
/// reaches.
#[derive(Debug)]
pub struct Grant<T, O> {
    mandate: MandateId,
    instance: Option<InstanceId>,
    caller: UserId,
    level: Level,
    read: Level,
    proof: PhantomData<fn() -> (T, O)>,
}

impl<T, O> Clone for Grant<T, O> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, O> Copy for Grant<T, O> {}

/// The levels that a context found for an operation and for reading the same table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    pub operation: Level,
    pub read: Level,
}

impl Levels {
    pub(super) const ALL: Levels = Levels { operation: Level::All, read: Level::All };

    pub(super) fn max(self, other: Self) -> Self {
        Self { operation: self.operation.max(other.operation), read: self.read.max(other.read) }
    }
}

impl<T: Table, O: Op> Grant<T, O> {
    /// Only contexts call this: 403 before any lookup where the level is `n`.
    pub(super) fn decide(
        mandate: MandateId,
        instance: Option<InstanceId>,
        caller: UserId,
        levels: Levels,
    ) -> Result<Self> {
        if !reaches(levels.operation, None) {
            return Err(permission_denied(
                T::NAME,
                O::OPERATION,
                least_level(T::NAME, O::OPERATION),
            ));
        }
        Ok(Self {
            mandate,
            instance,
            caller,
            level: levels.operation,
            read: levels.read,
            proof: PhantomData,
        })
    }

    /// Decides about one row by the least level that reaches it: 404 where the caller may not see
    /// it, 403 where they may see but not do this.
    pub(super) fn admit(&self, needed: Level) -> Result<()> {
        if O::OPERATION != Operation::Create {
            self.require_seen(needed)?;
        }
        if !reaches(self.level, Some(needed)) {
            return Err(permission_denied(T::NAME, O::OPERATION, needed));
        }
        Ok(())
    }

    /// 404 where the caller may not even see a row that this level reaches.
    pub(super) fn require_seen(&self, needed: Level) -> Result<()> {
        if reaches(self.read, Some(needed)) { Ok(()) } else { Err(Error::not_found()) }
    }

    pub fn mandate(&self) -> MandateId {
        self.mandate
    }
    pub fn instance(&self) -> Option<InstanceId> {
        self.instance
    }
    /// Whose leave it is.
    pub fn caller(&self) -> UserId {
        self.caller
    }
    pub fn level(&self) -> Level {
        self.level
    }
    /// For SQL: the mandate whose rows the statement is limited to.
    pub fn mandate_uuid(&self) -> Uuid {
        self.mandate.uuid()
    }
    /// For SQL: the instance whose rows the statement is limited to.
    pub fn instance_uuid(&self) -> Option<Uuid> {
        self.instance.map(InstanceId::uuid)
    }
    /// For SQL: whose rows are "mine".
    pub fn caller_uuid(&self) -> Uuid {
        self.caller.uuid()
    }
    /// For SQL: the level as a number.
    pub fn level_number(&self) -> i16 {
        self.level.number()
    }
}

/// 403 that names table, operation and the level that would do.
pub(crate) fn permission_denied(table: &str, operation: Operation, needed: Level) -> Error {
    let detail = format!(
        "This needs `{}` on `{table}` at level `{}` or higher.",
        operation.name(),
        needed.letter()
    );
    Error::new(Code::PermissionDenied, detail)
        .with("table", table)
        .with("operation", operation.name())
        .with("needed", needed.letter())
}
