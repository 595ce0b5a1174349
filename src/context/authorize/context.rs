//! What guards give to handlers, each by its type.

use super::facts::RequestFacts;
use crate::context::mandate::MandateContext;
use crate::context::path::{Origin, RequestPath};
use crate::context::terms::{About, Impersonation, Terms};
use crate::kernel::error::Result;
use crate::kernel::ids::MandateId;

/// What a guard can give to a handler. A policy names the one that it gives, and handlers of its
/// route take that one and no other.
pub trait Context: Clone + Send + Sync + 'static {
    /// What it is about beyond the clauses of its policy.
    const ABOUT: About = About::Clauses;
    /// Whether who is given it has a session that is alive; else its handler looks.
    const IS_CHECKED: bool = true;
    /// What it may be given for to who acts as somebody else, unless its policy says otherwise.
    const IMPERSONATION: Impersonation;

    /// What the path of a route with this policy has to name for it.
    fn origin(_terms: &Terms) -> Option<Origin> {
        None
    }

    /// What the path may not name, since the context would pass it over.
    fn passed_over(_terms: &Terms) -> &'static [Origin] {
        &[]
    }

    /// Lets a request in, or refuses it.
    fn authorize(facts: RequestFacts<'_>) -> impl Future<Output = Result<Self>> + Send;

    /// The caller's place in a mandate, where it has one.
    fn in_mandate(&self) -> Option<&MandateContext> {
        None
    }

    /// The mandate that it works in. On a SysAdmin's own route that is the one that the path names.
    fn works_in(&self, _path: RequestPath<'_>) -> Option<MandateId> {
        self.in_mandate().map(MandateContext::mandate)
    }

    /// The mandate as whose member it is.
    fn member_of(&self) -> Option<MandateId> {
        self.in_mandate().filter(|mandate| !mandate.is_sys_admin()).map(MandateContext::mandate)
    }
}

/// Contexts that tables open.
pub trait OfTables: Context {}

/// Those that being a SysAdmin opens too.
pub trait Governed: OfTables {}
