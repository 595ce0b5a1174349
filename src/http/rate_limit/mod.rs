//! Rate limits per caller and route class: a user by id, anybody else by address (IPv6 by /64), and
//! on public routes everybody by address. For a class in which a SysAdmin set a limit of a mandate,
//! its members have a budget of their own for requests in its context. A budget is divided by the
//! nodes that are alive, each of which gives its share: approximate, since nobody asks another node
//! before an answer.
//!
//! A request is charged at the door, before anything else is looked at ([`route_charge`]); by the
//! guard once more where it comes to know that the request is a mandate's member's, or no longer
//! is; and by a handler where a budget hangs on what the request says ([`Purse`]). What it was
//! charged for is what its headers tell.

mod budgets;
mod headers;
mod identity;
mod limits;
mod purse;
mod route_charge;

pub(crate) use budgets::network_of;
pub use identity::Identity;
pub(super) use limits::Free;
pub use limits::Limits;
pub use purse::{Deposit, Purse};
pub(super) use route_charge::{RouteCharge, named_mandate};
