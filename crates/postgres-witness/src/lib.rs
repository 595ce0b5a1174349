//! A witness between a program and PostgreSQL: a socket that passes everything on and notes what
//! the program asked, in round trips as they are on the wire. What is sent is what counts: not what
//! a driver says that it sends, nor what the server counts as a statement.
//!
//! It reads the program's half of the protocol, as far as telling what was asked, and how many
//! answers were waited for. Over Unix sockets, where nobody encrypts.

mod relay;
mod wire;

pub use relay::{Noted, Witness};
pub use wire::{Argument, Executed, Reader, Trip};
