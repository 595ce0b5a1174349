//! Transactions. Reading ones are refused writes by the database; writing ones end only with a
//! [`Recorded`] audit event, so a change without a trace does not compile.

use std::ops::{Deref, DerefMut};

use sqlx::PgConnection;

use super::audit::recorded::Recorded;
use crate::kernel::db::Transaction;
use crate::kernel::error::Result;

/// A transaction that reads.
#[derive(Debug)]
pub struct Reading(Transaction);

/// A transaction that writes, and ends with an audit event.
#[derive(Debug)]
pub struct Writing(pub(super) Transaction);

impl Reading {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self(transaction)
    }
    /// Ends it and gives the connection back clean.
    pub async fn finish(self) -> Result<()> {
        self.0.commit().await
    }
}

impl Writing {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self(transaction)
    }
    pub async fn commit(self, _: Recorded) -> Result<()> {
        self.0.commit().await
    }
}

macro_rules! is_a_connection {
    ($($name:ty),+) => {$(
        impl Deref for $name {
            type Target = PgConnection;
            fn deref(&self) -> &PgConnection {
                &self.0
            }
        }
        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut PgConnection {
                &mut self.0
            }
        }
    )+};
}
is_a_connection!(Reading, Writing);
