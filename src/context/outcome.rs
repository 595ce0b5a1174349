//! How a change of access ended, and what a dry run tells of it.

use serde::Serialize;
use utoipa::ToSchema;

use super::reach_told::ReachPreview;
use crate::access::{Level, Operation};
use crate::kernel::ids::{InstanceId, UserId};

/// How a change ended: made, with its own answer; or, with `dryRun=true`, only told.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub enum Outcome<T> {
    Done(T),
    Preview(AccessPreview),
}

impl<T> Outcome<T> {
    pub fn map<U>(self, answer: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Outcome::Done(done) => Outcome::Done(answer(done)),
            Outcome::Preview(preview) => Outcome::Preview(preview),
        }
    }
}

/// What a change of access would do, told by `?dryRun=true`. Only levels of the four operations:
/// whether tables and views are shown is not part of it. Who is in which group changes nobody's
/// level, but whom level `g` reaches: that is told in `reach`. `changes` names the person whom the
/// request names, and of others only those whom the caller may read: by `members.read`, and in an
/// instance also by its `access`. `totals` counts everybody.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessPreview {
    /// By user, then by table. Of at most 200 users, and of nobody whom the caller may not read;
    /// `totals` counts them all.
    pub changes: Vec<AccessChange>,
    pub totals: AccessTotals,
    /// How many effective admins the mandate would have afterwards; null for a template, which
    /// belongs to no mandate, and to who leaves while their membership is disabled.
    pub admins_left: Option<i64>,
    /// Where the change is about who is in which group: whom level `g` reaches then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reach: Option<ReachPreview>,
}

/// One level that would be another, in somebody's effective access: merged over their roles, and
/// `n` where account, membership, mandate, instance or admission are disabled or not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "userId": "01900000-0000-7000-8000-00000000a003", "instanceId": null,
    "table": "members", "operation": "read", "from": "n", "to": "a",
}))]
pub struct AccessChange {
    pub user_id: UserId,
    /// The instance whose table it is; null for a table of the mandate.
    pub instance_id: Option<InstanceId>,
    #[schema(example = "members")]
    pub table: String,
    pub operation: Operation,
    pub from: Level,
    pub to: Level,
}

/// Counted over all users, listed or not.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccessTotals {
    /// Users whose access would change.
    pub users: usize,
    /// Levels that would rise: one for each user, table and operation.
    pub gained: usize,
    /// Levels that would fall.
    pub lost: usize,
}
