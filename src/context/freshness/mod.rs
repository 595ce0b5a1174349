//! "Is what I keep still true?", asked for all who wait at the same moment in one statement.
//!
//! Whoever asks joins the *next* statement, which starts after they came: nobody is answered by one
//! that had begun before. So a right that was revoked before a request came in is gone for it, as
//! if it had asked alone; and the database answers many for little more than one. (Followers of
//! Raft read so: a read index, Ongaro's dissertation, section 6.4.)
//!
//! That statement does not ask for what is kept, but for what has changed since the one before: it
//! costs the same for one who waits and for hundreds.

mod batches;
mod by_heart;
mod statement;
#[cfg(test)]
mod tests;

pub(super) use batches::Batches;
pub(super) use statement::Statement;
