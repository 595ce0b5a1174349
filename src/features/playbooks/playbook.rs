//! What playbooks, their versions and revisions are.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::http::etag::Resource;
use crate::kernel::error::{Code, Error};
use crate::kernel::ids::{InstanceId, PlaybookId, UserId};

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
    #[schema(example = "Read this before your first shift.")]
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
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Only for deleted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2026-03-02T08:15:00Z")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// Only for deleted ones: until when they can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2026-04-01T08:15:00Z")]
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
    #[schema(example = "2026-03-02T08:15:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Rises with every edit; the version's `ETag`.
    pub revision: i32,
    /// Of the content, in bytes of UTF-8.
    #[schema(example = 24)]
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
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    #[schema(example = 2)]
    pub revision: i32,
    pub author_id: UserId,
    pub created_at: DateTime<Utc>,
    /// In bytes of UTF-8.
    #[schema(example = 24)]
    pub size: i32,
    /// Where the edit was a rollback: the revision whose content it brought back.
    pub rolled_back_from: Option<i32>,
}

/// 410, and until when it can be restored.
pub(super) fn gone(purge_at: DateTime<Utc>) -> Error {
    Error::new(Code::Gone, "It was deleted; until `purgeAt` it can be restored.")
        .with("purgeAt", json!(purge_at))
}

pub(super) fn not_deleted() -> Error {
    Error::new(Code::NotDeleted, "It is not deleted.")
}
