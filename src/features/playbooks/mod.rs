//! Playbooks: named documents with numbered versions. A version's content can be edited, and every
//! edit is kept as a revision; deleting is soft, and can be taken back for a week.
//!
//! - [`routes`] and [`store`]: the playbooks themselves.
//! - [`version_routes`], [`revision_routes`], [`version_read`] and [`version_store`]: their
//!   versions, and what these held before.
//! - [`find`]: a playbook by what a path calls it.
//! - [`purge`]: the end of what was deleted.

mod find;
mod list;
mod purge;
mod revision_routes;
mod routes;
mod store;
mod version_read;
mod version_routes;
mod version_store;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::access::Level::{All, Group, My, None};
use crate::access::Rule;
use crate::http::etag::Resource;
use crate::kernel::error::{Code, Error};
use crate::kernel::ids::{InstanceId, PlaybookId, UserId};
use crate::path_params;
use crate::tenancy::catalogue::{BuiltIn, TemplateRole};

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
    roles: ROLES,
    routes: |app| {
        routes::routes(app).merge(version_routes::routes(app)).merge(revision_routes::routes(app))
    },
};

const EDITING: Rule = Rule::of(All, All, Group, My);
const CONTRIBUTING: Rule = Rule::of(Group, My, My, My);
const VIEWING: Rule = Rule::of(All, None, None, None);

const ROLES: &[TemplateRole] = &[
    TemplateRole {
        label: "playbooks-admin",
        description: [
            ("en", "Manages the instance and everything in it"),
            ("de", "Verwaltet die Instanz und alles darin"),
        ],
        rules: &[
            ("playbooks", Rule::ALL),
            ("playbook_versions", Rule::ALL),
            ("access", Rule::ALL),
            ("instance-roles", Rule::ALL),
        ],
        views: &["playbooks", "editor"],
    },
    TemplateRole {
        label: "playbooks-editor",
        description: [
            ("en", "Reads all, edits those of the own groups"),
            ("de", "Liest alles, bearbeitet das der eigenen Gruppen"),
        ],
        rules: &[("playbooks", EDITING), ("playbook_versions", EDITING)],
        views: &["playbooks", "editor"],
    },
    TemplateRole {
        label: "playbooks-contributor",
        description: [
            ("en", "Reads those of the own groups, edits own"),
            ("de", "Liest das der eigenen Gruppen, bearbeitet Eigenes"),
        ],
        rules: &[("playbooks", CONTRIBUTING), ("playbook_versions", CONTRIBUTING)],
        views: &["playbooks", "editor"],
    },
    TemplateRole {
        label: "playbooks-viewer",
        description: [("en", "Reads all"), ("de", "Liest alles")],
        rules: &[("playbooks", VIEWING), ("playbook_versions", VIEWING)],
        views: &["playbooks"],
    },
];

/// How long what was deleted can be restored.
const RESTORABLE: Duration = Duration::days(7);

/// A playbook.
#[derive(Debug, Clone, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Playbook {
    pub id: PlaybookId,
    pub instance_id: InstanceId,
    /// Unique among the living of the instance, ignoring case and Unicode form.
    #[schema(example = "incident response")]
    pub name: String,
    #[schema(example = "What to do when the pager rings")]
    pub title: String,
    pub description: Option<String>,
    pub owner_id: UserId,
    #[schema(example = "bob")]
    pub owner_name: Option<String>,
    /// The highest version's number; null while there is none.
    #[schema(example = 3)]
    pub latest_version: Option<i32>,
    /// Rises with every change of the playbook or of `latestVersion`.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Only for deleted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub deleted_at: Option<DateTime<Utc>>,
    /// Only for deleted ones: until when they can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub purge_at: Option<DateTime<Utc>>,
}

impl Resource for Playbook {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A version of a playbook, without its content.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaybookVersion {
    #[schema(example = 3)]
    pub number: i32,
    pub owner_id: UserId,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Rises with every edit; the version's `ETag`.
    pub revision: i32,
    /// Of the content, in bytes of UTF-8.
    pub size: i32,
}

/// A version with its content.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaybookContent {
    #[serde(flatten)]
    pub version: PlaybookVersion,
    #[schema(example = "1. Say that you are on it.")]
    pub content: String,
}

impl Resource for PlaybookContent {
    fn version(&self) -> i64 {
        i64::from(self.version.revision)
    }
}

/// An edit of a version.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    #[schema(example = 2)]
    pub revision: i32,
    pub author_id: UserId,
    pub created_at: DateTime<Utc>,
    /// In bytes of UTF-8.
    pub size: i32,
    /// Where the edit was a rollback: the revision whose content it brought back.
    pub rolled_back_from: Option<i32>,
}

/// 410, and until when it can be restored.
fn gone(purge_at: DateTime<Utc>) -> Error {
    Error::new(Code::Gone, "It was deleted; until `purgeAt` it can be restored.")
        .with("purgeAt", json!(purge_at))
}

fn not_deleted() -> Error {
    Error::new(Code::NotDeleted, "It is not deleted.")
}
