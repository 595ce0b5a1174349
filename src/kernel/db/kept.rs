//! A connection that somebody keeps from statement to statement.

use std::ops::{Deref, DerefMut};

use sqlx::PgConnection;

/// A connection that belongs to no pool any more. Whoever drops it closes it, which also ends
/// whatever it is in.
#[derive(Debug)]
pub(crate) struct KeptConnection(pub(super) PgConnection);

impl Deref for KeptConnection {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for KeptConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
