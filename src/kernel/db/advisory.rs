//! Locks that stand for no row. Each has a number, which has to be the same in every process.

use sqlx::PgConnection;

use crate::kernel::error::Result;

/// What is locked. (Idempotency keys, in `once`, are locked by their own 64 bits.)
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum AdvisoryLock {
    /// Whether there is a SysAdmin left.
    SysAdmins = 7_210_001,
    /// The features that the service brings.
    Catalogue = 7_210_002,
    /// A mandate's code that somebody is about to take; the second number is a hash of the code.
    MandateCode = 7_210_003,
    /// The service's own keys.
    ServiceKeys = 7_210_004,
}

impl AdvisoryLock {
    #[must_use]
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Waits for it. It is given back when the transaction ends.
    pub async fn take(self, connection: &mut PgConnection) -> Result<()> {
        sqlx::query!("select pg_advisory_xact_lock($1)", i64::from(self.number()))
            .fetch_one(connection)
            .await?;
        Ok(())
    }
}
