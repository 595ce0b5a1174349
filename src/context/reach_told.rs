//! What a dry run tells of whom level `g` reaches.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use crate::kernel::ids::UserId;

/// The most people whose reach is listed, and the most people that are listed of each, gained and
/// lost.
pub(super) const LISTED: usize = 100;

/// Whom people would reach by level `g`, where the change is about who is in which group. Told of
/// whoever has any effective level `g`, in the mandate or in one of its instances: whose rows they
/// would reach by it and do not now, and the other way round. It names only people whom the caller
/// may read.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReachPreview {
    /// By user. Of at most 100 users; `totals` counts them all.
    pub changes: Vec<ReachChange>,
    pub totals: ReachTotals,
}

/// Whom one user would come to reach by level `g`, and no longer reach.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReachChange {
    pub user_id: UserId,
    /// Whose rows they would come to reach: the first 100.
    #[schema(example = json!(["01900000-0000-7000-8000-00000000a002"]))]
    pub gains: Vec<UserId>,
    /// Whose rows they would no longer reach: the first 100.
    #[schema(example = json!([]))]
    pub loses: Vec<UserId>,
    /// How many people's rows they would come to reach, listed or not.
    pub gained: usize,
    /// How many people's rows they would no longer reach, listed or not.
    #[schema(example = 0)]
    pub lost: usize,
}

/// Counted over all users, listed or not.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReachTotals {
    /// Users who would reach other people's rows than now.
    pub users: usize,
    /// By how many people's rows they would reach more, added up.
    pub gained: usize,
    /// By how many people's rows they would reach fewer, added up.
    #[schema(example = 0)]
    pub lost: usize,
}

impl ReachPreview {
    /// Counts somebody, and lists them where they may be named and there is room.
    pub(super) fn count(
        &mut self,
        user: UserId,
        (gained, lost): (usize, usize),
        nameable: &BTreeSet<UserId>,
        listed: impl FnOnce() -> (Vec<UserId>, Vec<UserId>),
    ) {
        if (gained, lost) == (0, 0) {
            return;
        }
        self.totals.users += 1;
        self.totals.gained += gained;
        self.totals.lost += lost;
        if self.changes.len() < LISTED && nameable.contains(&user) {
            let (gains, loses) = listed();
            self.changes.push(ReachChange { user_id: user, gains, loses, gained, lost });
        }
    }
}
