//! From a request to somebody who may do something. A context is the only way to the database, and
//! this folder the only place that decides between 401, 403 and 404.
//!
//! - [`Caller`]: a signed-in user whose session was alive when the request came.
//! - [`SessionContext`]: the same with that session, for routes about it.
//! - [`MandateContext`]: a caller in one mandate, as a member or as a SysAdmin who governs it.
//! - [`InstanceContext`]: a mandate context with one of its feature instances.
//! - [`asking::Asking`]: a mandate context of somebody who asks what they, or others, may do.
//! - [`SystemContext`]: the platform itself; made only for SysAdmin routes, commands and jobs.
//! - [`Visitor`]: nobody yet, on the routes by which one signs in.
//! - [`impersonation::Impersonator`]: whoever may end acting as somebody else.
//! - [`Guest`]: whoever comes with a token that was mailed, signed in or not.
//!
//! Each is in the file of its name. [`authorize`] makes them, [`grant`] turns them into permission
//! to touch a table, which opens the rows that it reaches ([`Sealed`]); where there is none to
//! touch they give a proof ([`System`], [`Account`] …). [`change`] into a transaction that may
//! change access, [`judge`] (and [`sharing`], for groups) decides whether it may be made, and
//! [`preview`] (with [`reach`], for groups) tells what it does without doing it. Whom an answer may
//! name is decided in `naming`. Files here import each other by name, never what this one hands
//! out: so nobody stands in a circle with it.

mod actor;
pub mod asking;
pub mod audit;
pub mod authorize;
mod cache;
mod caller;
pub mod change;
mod companies;
mod concerned;
mod effective;
mod find;
mod freshness;
pub mod grant;
mod guest;
pub mod impersonation;
mod instance;
mod invited;
pub mod jobs;
pub mod judge;
mod load;
mod locks;
pub mod mailed;
mod mandate;
pub mod member;
mod merged_access;
mod moment;
mod naming;
mod outcome;
pub mod path;
mod people;
pub mod policy;
pub mod preview;
mod proof;
pub mod reach;
mod reach_told;
mod refusals;
#[cfg(any(test, debug_assertions))]
pub mod rehearsal;
mod role;
mod sealed;
mod seen;
mod services;
mod sharing;
pub mod standing;
mod system;
mod terms;
mod through;
mod transaction;
mod visitor;

pub use actor::{Actor, RequestMeta};
pub use audit::Recorded;
pub use cache::ContextCache;
pub use caller::{Caller, SessionContext};
pub use change::Change;
pub use concerned::Concerned;
pub use grant::Grant;
pub use guest::Guest;
pub use instance::InstanceContext;
pub use invited::{Acceptance, Accepting, Invited};
pub use load::{Epochs, OpenInstance};
pub use locks::Locks;
pub use mandate::MandateContext;
pub use merged_access::{InstanceAccess, MandateAccess};
pub use moment::Moment;
pub use outcome::{AccessPreview, Outcome};
pub use proof::{Account, Furnished, MayBeMade, SignedIn, System};
pub use role::RoleContext;
pub use sealed::{Opened, Sealed};
pub use services::Services;
pub use sharing::{Regrouping, require_opens_nothing};
pub use system::SystemContext;
pub use transaction::{Reading, Writing};
pub use visitor::Visitor;
