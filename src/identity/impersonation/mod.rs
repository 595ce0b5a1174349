//! Impersonation: a SysAdmin sees what a customer sees, by acting as them. It begins and ends here;
//! what it is good for, guards decide ([`crate::context::impersonation`]).

mod routes;
mod store;

pub use routes::routes;
