//! The audit trail.

mod plays;

use super::tables::{EVERY, NEVER, Scope, Table};
use super::{ONLY_CASES, Slice};
use crate::gates::cases::case;

pub const SLICE: Slice = Slice {
    cases: &[
        case("list_audit_events", "/api/mandates/$mandate/audit", 200),
        case("list_platform_audit_events", "/api/audit", 200),
    ],
    plays: &[plays::OPERATIONS],
    tables: &[Table {
        name: "audit",
        scope: Scope::Mandates,
        levels: [EVERY, NEVER, NEVER, NEVER],
        rows: &[],
    }],
    ..ONLY_CASES
};
