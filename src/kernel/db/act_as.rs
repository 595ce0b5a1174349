//! As whom a transaction acts, and what for.

use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// Whose rows a transaction reaches.
#[derive(Debug, Clone, Copy)]
pub enum ActAs {
    /// One mandate's rows and, in tables of features, one instance's.
    Tenant { mandate: MandateId, instance: Option<InstanceId>, user: UserId },
    /// Every row: signing in, loading contexts, what SysAdmins govern, jobs.
    System,
}

/// Whether a transaction may write. A reading one is refused writes by the database itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    Read,
    Write,
    /// Writes as others do and rolls back where they commit, so that whatever would be refused is.
    DryRun,
}

/// The one place that formats SQL: typed UUIDs only. A statement of a tenant may take 10 s, one of
/// the system (which also purges) 30 s.
pub(super) fn settings(act_as: ActAs) -> String {
    match act_as {
        ActAs::System => {
            "set local role bailiwick_system; set local statement_timeout = '30s'".to_owned()
        }
        ActAs::Tenant { mandate, instance, user } => format!(
            "set local role bailiwick_tenant; set local statement_timeout = '10s'; set local \
             app.mandate_id = '{mandate}'; set local app.instance_id = '{}'; set local app.user_id \
             = '{user}'",
            instance.map(|id| id.to_string()).unwrap_or_default()
        ),
    }
}
