//! A row that a statement found is sealed until the grant has judged it. What is in it cannot be
//! read before, so a handler that forgot to ask does not compile; and what is done with a row takes
//! the [`Opened`] one, so neither does a change of a row that nobody judged.
//!
//! ```compile_fail
//! use bailiwick::{access::tables::Members, context::Sealed};
//! fn told(found: &Sealed<Members, String>) -> usize { found.len() } // it is no `String` yet
//! ```
//! ```compile_fail
//! use bailiwick::{access::tables::Members, context::Sealed};
//! fn told(found: Sealed<Members, String>) -> String { found.row } // nor can it be taken out
//! ```
//! ```compile_fail
//! use bailiwick::access::tables::{Groups, Members, Read};
//! use bailiwick::{context::{Grant, Sealed}, kernel::error::Result};
//! fn told(found: Sealed<Members, String>, grant: &Grant<Groups, Read>) -> Result<String> {
//!     Ok(grant.open(Some(found))?.into_row()) // a grant for another table does not open it
//! }
//! ```
//! ```compile_fail
//! use bailiwick::access::tables::{Members, Read, Update};
//! use bailiwick::{context::{Grant, Opened, Sealed}, kernel::error::Result};
//! fn change(_: &Opened<Members, Update, String>) {}
//! fn read(found: Sealed<Members, String>, grant: &Grant<Members, Read>) -> Result<()> {
//!     Ok(change(&grant.open(Some(found))?)) // what was opened to be read is not to be changed
//! }
//! ```
//! The same with the right grant compiles, so the four fail for the reason that they name:
//! ```
//! use bailiwick::access::tables::{Members, Update};
//! use bailiwick::{context::{Grant, Opened, Sealed}, kernel::error::Result};
//! fn change(_: &Opened<Members, Update, String>) {}
//! fn told(found: Sealed<Members, String>, grant: &Grant<Members, Update>) -> Result<String> {
//!     let row = grant.open(Some(found))?;
//!     change(&row);
//!     Ok(if row.len() > 3 { row.into_row() } else { String::new() })
//! }
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use super::grant::Grant;
use crate::access::Level;
use crate::access::tables::{Create, Op, Table};
use crate::kernel::error::{Error, Result};

/// A row of the table `T` that was found, and not yet judged.
pub struct Sealed<T, R> {
    row: R,
    /// The least level that reaches it.
    needed: Level,
    table: PhantomData<fn() -> T>,
}

/// Without the row: a log is no way around the grant.
impl<T, R> fmt::Debug for Sealed<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").finish_non_exhaustive()
    }
}

/// A row that the grant reaches: permission to do `O` with it.
#[derive(Debug)]
pub struct Opened<T, O, R> {
    row: R,
    nearness: Level,
    grant: Grant<T, O>,
}

impl<T, O, R> Deref for Opened<T, O, R> {
    type Target = R;
    fn deref(&self) -> &R {
        &self.row
    }
}

impl<T, O, R> Opened<T, O, R> {
    /// For an answer.
    pub fn into_row(self) -> R {
        self.row
    }
    /// The least level that reaches it.
    pub fn nearness(&self) -> Level {
        self.nearness
    }
    /// By what it was opened.
    pub fn grant(&self) -> &Grant<T, O> {
        &self.grant
    }
}

impl<T: Table, O: Op> Grant<T, O> {
    /// What a store function answers that found a row; `needed` is the number of the least level
    /// that reaches it, as the statement says.
    pub fn seal<R>(&self, needed: i16, row: R) -> Sealed<T, R> {
        Sealed { row, needed: Level::from_number(needed), table: PhantomData }
    }

    /// The row, where this may be done with it: 404 where it is not there or the caller may not see
    /// it, 403 where they may see it but not do this.
    pub fn open<R>(&self, found: Option<Sealed<T, R>>) -> Result<Opened<T, O, R>> {
        let Sealed { row, needed, .. } = found.ok_or_else(Error::not_found)?;
        self.admit(needed)?;
        Ok(Opened { row, nearness: needed, grant: *self })
    }

    /// The same for rows whose state may refuse too, which is told to whoever may see them: after
    /// the 404, before the 403.
    pub fn open_unless<R>(
        &self,
        found: Option<Sealed<T, R>>,
        refusal: impl FnOnce(&R) -> Option<Error>,
    ) -> Result<Opened<T, O, R>> {
        let found = found.ok_or_else(Error::not_found)?;
        self.require_seen(found.needed)?;
        refusal(&found.row).map_or(Ok(()), Err)?;
        self.open(Some(found))
    }
}

impl<T: Table> Grant<T, Create> {
    /// 403 where something in this row is not the caller's to make: as near as the row is, so near
    /// is what is made in it.
    pub fn require_within<P, O, R>(&self, row: &Opened<P, O, R>) -> Result<()> {
        self.admit(row.nearness())
    }
}
