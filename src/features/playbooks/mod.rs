//! Playbooks: named documents with numbered versions. A version's content can be edited, and every
//! edit is kept as a revision; deleting is soft, and can be taken back for a week.
//!
//! - [`list_routes`], [`routes`], [`delete_routes`]; [`list`], [`find`] (a playbook by what a path
//!   calls it), [`store`]: the playbooks themselves.
//! - [`version_routes`], [`revision_routes`]; [`version_read`], [`version_find`],
//!   [`version_store`], [`revision_list`]: their versions, and what these held before.
//! - [`purge`]: the end of what was deleted.

mod delete_routes;
mod find;
mod list;
mod list_routes;
mod playbook;
mod purge;
mod request;
mod revision_list;
mod revision_routes;
mod roles;
mod routes;
mod store;
mod version_find;
mod version_read;
mod version_request;
mod version_routes;
mod version_store;

use chrono::Duration;

use crate::path_params;
use crate::tenancy::catalogue::BuiltIn;

pub use playbook::{Playbook, PlaybookContent, PlaybookVersion, Revision};
pub use purge::{PURGE_PLAYBOOKS, PURGE_VERSIONS};

path_params! {
    /// To a playbook.
    PlaybookPath {
        /// The playbook's id or name
        #[param(example = "incident response")]
        playbook: String,
    }
}

path_params! {
    /// To a version of a playbook.
    VersionPath {
        /// The playbook's id or name
        #[param(example = "incident response")]
        playbook: String,
        /// The version's number
        #[param(example = 1)]
        number: i32,
    }
}

crate::feature_tables!("playbooks" {
    /// Playbooks; mine when I made them.
    Playbooks = "playbooks",
    /// Their versions; mine when I made them.
    PlaybookVersions = "playbook_versions",
});

/// The feature.
pub const FEATURE: BuiltIn = BuiltIn {
    code: "playbooks",
    label: [("en", "Playbooks"), ("de", "Handbücher")],
    purpose: "Documents with numbered versions, each with its revisions",
    icon: "mdi-book-open-variant",
    tables: &["playbooks", "playbook_versions"],
    views: &["playbooks", "editor"],
    roles: roles::ROLES,
    routes: |app| {
        list_routes::routes(app)
            .merge(routes::routes(app))
            .merge(delete_routes::routes(app))
            .merge(version_routes::routes(app))
            .merge(revision_routes::routes(app))
    },
};

/// How long what was deleted can be restored.
const RESTORABLE: Duration = Duration::days(7);
