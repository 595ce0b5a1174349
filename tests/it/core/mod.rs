//! The slices of the core, as gates see them: how their operations are called, what is staged for
//! that, whose it is, and how the reference model plays it. A file each, with one for what is
//! played, and a line here: the gates know none of them by name, as they know no feature
//! ([`crate::features`]).

#![expect(
    clippy::unnecessary_wraps,
    reason = "plays of one kind stand in one table: those that never refuse, too"
)]

mod audit;
pub mod auth;
mod catalogue;
mod groups;
mod impersonation;
mod instances;
mod invitations;
mod limits;
mod mandates;
mod members;
mod navigation;
mod ops;
mod passwords;
mod questions;
mod registration;
mod roles;
mod sessions;
pub mod tables;
mod users;

use crate::gates::cases::Case;
use crate::model::operations::Operation;
use tables::Table;

/// A slice's part in the gates.
#[derive(Debug)]
pub struct Slice {
    /// How each operation is called so that it succeeds.
    pub cases: &'static [Case],
    /// What the reference model says of them. It shares nothing with the cases.
    pub plays: &'static [&'static [Operation]],
    /// The tables of permissions that it works with.
    pub tables: &'static [Table],
    /// Names of fresh ids for what it has in a mandate.
    pub ids: &'static [&'static str],
    /// Names of fresh ids for what it has on the platform.
    pub platform_ids: &'static [&'static str],
    /// Makes the rows that calls aim at, in the mandate `$mandate` with the admin `$admin`; after
    /// those of the slices before it. Their roles permit nothing, so that whoever may give roles at
    /// all may give these, and nobody's access is beyond anybody's.
    pub rows: &'static str,
    /// How others than the gates, who cannot put rows into tables, make what calls aim at.
    pub made: &'static [Made],
}

/// How something is made over the API.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    pub name: &'static str,
    /// What it is made of, where something is done with what is there already.
    pub from: Option<&'static str>,
    /// The operations, called as their first cases say, or on the path that stands behind; a
    /// sign-in as the account whose name stands behind. The first tells of what is new.
    pub by: &'static [&'static str],
    /// What it tells: a member of its answer, or a claim of the token in it.
    pub told: &'static str,
}

impl Made {
    pub const fn told(self, told: &'static str) -> Self {
        Self { told, ..self }
    }
}

pub const fn made(name: &'static str, by: &'static [&'static str]) -> Made {
    Made { name, from: None, by, told: "id" }
}

pub const fn made_of(from: &'static str, name: &'static str, by: &'static [&'static str]) -> Made {
    Made { name, from: Some(from), by, told: "id" }
}

/// A slice that has nothing but operations.
const ONLY_CASES: Slice =
    Slice { cases: &[], plays: &[], tables: &[], ids: &[], platform_ids: &[], rows: "", made: &[] };

/// Every slice of the core, in the order in which golden files have them.
pub const ALL: &[&Slice] = &[
    &auth::SLICE,
    &passwords::SLICE,
    &registration::SLICE,
    &mandates::SLICE,
    &limits::SLICE,
    &members::SLICE,
    &groups::SLICE,
    &roles::SLICE,
    &invitations::SLICE,
    &catalogue::SLICE,
    &instances::SLICE,
    &navigation::SLICE,
    &questions::SLICE,
    &users::SLICE,
    &sessions::SLICE,
    &impersonation::SLICE,
    &audit::SLICE,
    &ops::SLICE,
];

/// Names of what belongs to a mandate, the mandate among them.
pub fn mandate_ids() -> impl Iterator<Item = &'static str> {
    ["mandate"].into_iter().chain(ALL.iter().flat_map(|slice| slice.ids.iter().copied()))
}

/// Names of all ids that are fresh for each call.
pub fn fresh_ids() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|slice| slice.ids.iter().chain(slice.platform_ids).copied())
}

/// Makes the rows of all slices.
pub fn rows() -> String {
    ALL.iter().map(|slice| slice.rows).collect()
}
