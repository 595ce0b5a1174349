//! What of an operation and its policy decides which headers it looks at and what it refuses before
//! its handler runs.

use axum::http::Method;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};

use crate::access::tables::{INSTANCE_TABLES, MANDATE_TABLES};
use crate::context::path::{Origin, Origins};
use crate::context::policy::{About, Clause, GoodFor, StepUp, Terms, has_effect};

pub(super) struct Facts {
    pub guarded: bool,
    /// Open to anybody, and looks at who they are where they are signed in.
    pub guests: bool,
    /// Closed to whoever has to change their password first.
    pub wants_own_password: bool,
    /// Closed to who acts as somebody else.
    pub wants_oneself: bool,
    /// For who showed lately who they are.
    pub wants_recent: bool,
    /// A table opens it, so that it works in a mandate.
    pub table: bool,
    /// The table is a feature's, so that it works in an instance.
    pub feature_table: bool,
    /// Being a SysAdmin opens it too.
    pub sys: bool,
    /// Being a SysAdmin, or oneself, opens it.
    pub principal: bool,
    /// It looks at context headers that are sent.
    pub context: bool,
    /// The path names a mandate, or what belongs to one.
    pub names_mandate: bool,
    /// The path has parameters.
    pub path: bool,
    /// Path or query have parameters.
    pub parameters: bool,
    pub body: bool,
    /// It heeds an `Idempotency-Key`.
    pub remembers: bool,
    /// It has an effect, but refuses an `Idempotency-Key`.
    pub forgets: bool,
}

impl Facts {
    pub(super) fn of(
        operation: &Operation,
        method: &Method,
        terms: &Terms,
        origins: &Origins,
    ) -> Self {
        let tables: Vec<&str> = terms.clauses.iter().filter_map(table_of).collect();
        let is_own =
            |table: &&str| MANDATE_TABLES.contains(table) || INSTANCE_TABLES.contains(table);
        let sys = terms.has(Clause::Sys) || terms.has(Clause::SysTemplates);
        let (in_path, in_query) =
            (names(operation, &ParameterIn::Path), names(operation, &ParameterIn::Query));
        let guests = terms.about == About::Guests;
        Self {
            guarded: !terms.is_public(),
            guests,
            wants_own_password: (guests || !terms.is_public())
                && terms.good_for == GoodFor::Anything,
            wants_oneself: terms.looks_at_tokens() && !terms.let_impersonate(method),
            wants_recent: terms.step_up(method) != StepUp::Nobody,
            table: !tables.is_empty(),
            feature_table: !tables.iter().all(is_own),
            sys,
            principal: sys || terms.has(Clause::Oneself),
            context: terms.looks_at_headers(),
            names_mandate: !terms.has(Clause::User)
                && [Origin::Mandate, Origin::Instance].iter().any(|one| origins.contains_key(one)),
            path: !in_path.is_empty(),
            parameters: !in_path.is_empty() || !in_query.is_empty(),
            body: operation.request_body.is_some(),
            remembers: terms.remembers(method),
            forgets: has_effect(method) && (terms.is_public() || terms.forgets),
        }
    }
}

fn table_of(clause: &Clause) -> Option<&'static str> {
    match clause {
        Clause::Table { table, .. } => Some(table),
        _ => None,
    }
}

/// The names of the parameters in one place.
fn names<'a>(operation: &'a Operation, place: &ParameterIn) -> Vec<&'a str> {
    let parameters =
        operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) if parameter.parameter_in == *place => {
                Some(parameter.name.as_str())
            }
            _ => None,
        });
    parameters.collect()
}
