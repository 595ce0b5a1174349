//! What is asked after a change, and what is due to be told.

use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::Lane;
use super::taking::Standing;
use crate::harness::Answer;
use crate::harness::app::Call;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Account,
    Navigation,
    /// The same, of whoever knows it already.
    KnownNavigation,
    Mandate,
    Instance,
    CheckInMandate,
    CheckInInstance,
    Members,
    Playbooks,
    /// The officer's.
    Flag,
    Accounts,
}

pub const QUESTIONS: [Question; 11] = [
    Question::Account,
    Question::Navigation,
    Question::KnownNavigation,
    Question::Mandate,
    Question::Instance,
    Question::CheckInMandate,
    Question::CheckInInstance,
    Question::Members,
    Question::Playbooks,
    Question::Flag,
    Question::Accounts,
];

/// What is to be read from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    SignInFirst,
    /// Mandate or instance.
    Closed,
    /// It is open, and what was taken is not allowed there.
    Less,
    All,
    /// Nothing that was ever due.
    Nonsense,
}

impl Question {
    pub fn due(self, stands: Standing) -> Told {
        let inside = |open: bool, all: bool| match (stands.signed_in, stands.inside && open, all) {
            (false, ..) => Told::SignInFirst,
            (_, false, _) => Told::Closed,
            (.., false) => Told::Less,
            _ => Told::All,
        };
        match self {
            Question::Account => inside(true, true),
            Question::Mandate | Question::CheckInMandate | Question::Members => {
                inside(true, stands.reads_members)
            }
            Question::Navigation
            | Question::KnownNavigation
            | Question::Instance
            | Question::CheckInInstance => inside(stands.admitted, stands.edits_playbooks),
            Question::Playbooks => inside(stands.admitted, true),
            Question::Flag | Question::Accounts if stands.governs => Told::All,
            Question::Flag | Question::Accounts => Told::Less,
        }
    }

    pub fn is_navigation(self) -> bool {
        matches!(self, Question::Navigation | Question::KnownNavigation)
    }

    /// Whether it is about what SysAdmins may.
    pub fn is_for_officers(self) -> bool {
        matches!(self, Question::Flag | Question::Accounts)
    }

    pub fn call(self, lane: &Lane, node: usize) -> Call<'_> {
        let (app, tenant) = (&lane.nodes[node], &lane.tenant);
        let check = |table: &str, operation: &str| {
            let checks = json!({ "checks": [{ "table": table, "operation": operation }] });
            app.post("/api/access/check").mandate(tenant.id).json(checks)
        };
        match self {
            Question::Account | Question::Flag => app.get("/api/auth/me"),
            Question::Navigation | Question::KnownNavigation => app.get("/api/features/my"),
            Question::Mandate => app.get("/api/access/me").mandate(tenant.id),
            Question::Instance => {
                app.get("/api/access/me").mandate(tenant.id).instance(tenant.instance)
            }
            Question::CheckInMandate => check("members", "read"),
            Question::CheckInInstance => check("playbooks", "update").instance(tenant.instance),
            Question::Members => app.get(tenant.path("/users?limit=1")).mandate(tenant.id),
            Question::Playbooks => {
                app.get("/api/playbooks?limit=1").mandate(tenant.id).instance(tenant.instance)
            }
            Question::Accounts => app.get("/api/users?limit=1"),
        }
    }

    pub fn told(self, answer: &Answer, mandate: Uuid) -> Told {
        match (answer.status.as_u16(), answer.code()) {
            (200, _) => self.shown(&answer.body, mandate),
            (401, "unauthenticated") => Told::SignInFirst,
            (403, "mandate_access_denied" | "instance_access_denied") => Told::Closed,
            (403, "permission_denied") => Told::Less,
            _ => Told::Nonsense,
        }
    }

    fn shown(self, body: &Value, mandate: Uuid) -> Told {
        let some = |what: &Value| if *what == json!("a") { Told::All } else { Told::Less };
        let is = |what: &Value| if *what == json!(true) { Told::All } else { Told::Less };
        match self {
            Question::Account => {
                let mandates = body["mandates"].as_array().into_iter().flatten();
                let of = |own: &Value| own["id"] == json!(mandate);
                if mandates.into_iter().any(of) { Told::All } else { Told::Closed }
            }
            Question::Navigation | Question::KnownNavigation => {
                match body.pointer("/mandates/0/features/0/instances/0/permissions/tables") {
                    None => Told::Closed,
                    Some(tables) => some(&tables["playbooks"]["update"]),
                }
            }
            Question::Mandate => some(&body["tables"]["members"]["read"]),
            Question::Instance => some(&body["tables"]["playbooks"]["update"]),
            Question::CheckInMandate | Question::CheckInInstance => {
                is(&body["results"][0]["allowed"])
            }
            Question::Flag => is(&body["isSysAdmin"]),
            Question::Members | Question::Playbooks | Question::Accounts => Told::All,
        }
    }
}
