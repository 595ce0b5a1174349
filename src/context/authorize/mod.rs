//! Where a request becomes a context, or is refused: the one place that decides who may come in.
//!
//! The order is fixed: 401 (who are you), 400 (context headers), then 403 `mandate_access_denied`
//! (is this mandate open to you), then 403 `permission_denied` (is the operation open to you at
//! all), all before any object is looked up.

mod accounts;
mod authorizing;
mod chosen;
mod context;
mod deferred;
mod facts;
mod guest;
mod headers;
mod impersonator;
mod instances;
mod member;
mod reach;
mod role;
mod sys_admin;
mod user;
mod visitor;

pub(crate) use super::refusals::{
    for_sys_admins, mandate_access_denied, not_in_their_place, unauthenticated,
};
pub use accounts::{Accounts, OwnAccount};
pub use chosen::ChosenContext;
pub use context::{Context, Governed, OfTables};
pub use deferred::{CheckedCaller, DeferredCaller};
pub use facts::RequestFacts;
pub use reach::Reach;
