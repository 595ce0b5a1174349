//! What becomes of a check whose answer does not come.

/// What becomes of a check whose answer does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// As if it had been passed.
    Open,
    /// As if it had not.
    Closed,
}
