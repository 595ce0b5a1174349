//! The gates: what a new endpoint or table cannot slip past.
