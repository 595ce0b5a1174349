//! Whom level `g` reaches, before and after: what a change of who is in a group does, though it changes nobody's level. Owners of rows
//! count whether or not they are enabled, since their rows are there all the same.
//!
//! Only people who are, or were, in a group that changes are looked at. A group is a bit for each of them, so that whom somebody meets
//! is as many words as they have groups, and never everybody beside everybody; people in the same groups before and after are alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::effective::{EffectiveAccess, effective_access};
use super::preview::Concerned;
use crate::error::Result;
use crate::ids::{GroupId, MandateId, UserId};

/// The most people whose reach is listed, and the most people that are listed of each, gained and lost.
const LISTED: usize = 100;

/// Whom people would reach by level `g`, where the change is about who is in which group. Told of whoever has any effective level `g`,
/// in the mandate or in one of its instances: whose rows they would reach by it and do not now, and the other way round. It names only
/// people whom the caller may read.
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
    pub gains: Vec<UserId>,
    /// Whose rows they would no longer reach: the first 100.
    pub loses: Vec<UserId>,
    /// How many people's rows they would come to reach, listed or not.
    pub gained: usize,
    /// How many people's rows they would no longer reach, listed or not.
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
    pub lost: usize,
}

/// The groups that somebody is in.
type Company = BTreeSet<GroupId>;
/// The same of everybody who is in any.
pub(super) type Companies = BTreeMap<UserId, Company>;

pub(super) async fn companies(connection: &mut PgConnection, mandate: MandateId) -> Result<Companies> {
    let rows = sqlx::query!(
        r#"select a.group_ids as "group_ids!", array_agg(a.user_id) as "user_ids!"
           from (select m.user_id, array_agg(m.group_id order by m.group_id) as group_ids
                 from group_members m where m.mandate_id = $1 group by m.user_id) a
           group by a.group_ids"#,
        mandate.uuid()
    )
    .fetch_all(connection)
    .await?;
    let mut companies = Companies::new();
    for row in rows {
        let groups: BTreeSet<GroupId> = row.group_ids.into_iter().map(GroupId::from).collect();
        companies.extend(row.user_ids.into_iter().map(|user| (user.into(), groups.clone())));
    }
    Ok(companies)
}

/// The moments before and after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Both<T> {
    before: T,
    after: T,
}

/// A bit for each person, by their place among all that are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    fn none_of(people: usize) -> Self {
        Self(vec![0; people.div_ceil(64)])
    }
    fn add(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }
    fn add_all(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(own, other)| *own |= other);
    }
    fn without(mut self, others: &Self) -> Self {
        self.0.iter_mut().zip(&others.0).for_each(|(own, other)| *own &= !other);
        self
    }
    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }
    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// Who would be with whom, and who looks at that.
pub(super) struct Regrouped {
    /// Whoever is or was in a group that changes, by id.
    people: Vec<UserId>,
    /// In which of `kinds` each of them is: the groups before and after.
    kind_of: Vec<usize>,
    kinds: Vec<Both<Company>>,
    groups: Both<HashMap<GroupId, Bits>>,
    looking: Both<BTreeSet<UserId>>,
}

impl Regrouped {
    /// Who looks at groups is read as it was before; a membership that comes or goes has its own levels.
    pub async fn look(
        connection: &mut PgConnection,
        mandate: MandateId,
        concerned: Concerned,
        (before, after): (&Companies, &Companies),
        levels: (&EffectiveAccess, &EffectiveAccess),
    ) -> Result<Self> {
        let mut regrouped = Self::of(before, after);
        let mut others = looking(&effective_access(connection, mandate, &regrouped.people, None).await?);
        let own = concerned.user();
        others.retain(|user| own != Some(*user));
        let with_own = |levels| others.iter().copied().chain(looking(levels)).collect();
        regrouped.looking = Both { before: with_own(levels.0), after: with_own(levels.1) };
        Ok(regrouped)
    }

    fn of(before: &Companies, after: &Companies) -> Self {
        let nowhere = Company::new();
        let users: BTreeSet<UserId> = before.keys().chain(after.keys()).copied().collect();
        let of = |user: &UserId| [before, after].map(|companies| companies.get(user).unwrap_or(&nowhere));
        let changing: Company = users.iter().map(of).flat_map(|[before, after]| before ^ after).collect();
        let people: Vec<UserId> =
            users.into_iter().filter(|user| of(user).into_iter().any(|groups| !groups.is_disjoint(&changing))).collect();
        let in_groups = |companies: &Companies| {
            let mut groups: HashMap<GroupId, Bits> = HashMap::new();
            for (place, user) in people.iter().enumerate() {
                for group in companies.get(user).into_iter().flatten() {
                    groups.entry(*group).or_insert_with(|| Bits::none_of(people.len())).add(place);
                }
            }
            groups
        };
        let groups = Both { before: in_groups(before), after: in_groups(after) };
        let (mut kinds, mut known): (Vec<Both<Company>>, HashMap<[&Company; 2], usize>) = (Vec::new(), HashMap::new());
        let kind_of = people.iter().map(of).map(|[before, after]| {
            *known.entry([before, after]).or_insert_with(|| {
                kinds.push(Both { before: before.clone(), after: after.clone() });
                kinds.len() - 1
            })
        });
        let kind_of = kind_of.collect();
        Self { kind_of, kinds, groups, people, looking: Both::default() }
    }

    /// Everybody whom it may have to name.
    pub fn users(&self) -> &[UserId] {
        &self.people
    }

    /// Counts everybody, and names those who may be named.
    pub async fn told(&self, nameable: &BTreeSet<UserId>) -> ReachPreview {
        let counts = self.counts().await;
        let mut told = ReachPreview::default();
        for (place, user) in self.people.iter().enumerate() {
            let count = &counts[self.kind_of[place]];
            let gained = if self.looking.after.contains(user) { count.after } else { 0 };
            let lost = if self.looking.before.contains(user) { count.before } else { 0 };
            if (gained, lost) == (0, 0) {
                continue;
            }
            told.totals.users += 1;
            told.totals.gained += gained;
            told.totals.lost += lost;
            if told.changes.len() < LISTED && nameable.contains(user) {
                let moved = self.moved(&self.kinds[self.kind_of[place]]);
                let listed = |count: usize, others: &Bits| if count > 0 { self.listed(place, others, nameable) } else { Vec::new() };
                let (gains, loses) = (listed(gained, &moved.after), listed(lost, &moved.before));
                told.changes.push(ReachChange { user_id: *user, gains, loses, gained, lost });
            }
        }
        told
    }

    /// For each kind, with how many others somebody of it comes to share a group (after), and no longer shares one (before).
    async fn counts(&self) -> Vec<Both<usize>> {
        let mut counts = Vec::with_capacity(self.kinds.len());
        for kind in &self.kinds {
            let moved = self.moved(kind);
            // Whoever was in no group, or is in none now, comes to themselves too, or leaves themselves.
            let oneself = |company: &Company, other: &Company| usize::from(company.is_empty() && !other.is_empty());
            counts.push(Both {
                before: moved.before.count() - oneself(&kind.after, &kind.before),
                after: moved.after.count() - oneself(&kind.before, &kind.after),
            });
            // Thousands of people who all belong to different groups keep nobody else waiting.
            tokio::task::yield_now().await;
        }
        counts
    }

    /// Whom people of a kind no longer meet (before), and come to meet (after).
    fn moved(&self, kind: &Both<Company>) -> Both<Bits> {
        let met = |company: &Company, groups: &HashMap<GroupId, Bits>| {
            let mut met = Bits::none_of(self.people.len());
            company.iter().filter_map(|group| groups.get(group)).for_each(|group| met.add_all(group));
            met
        };
        let (before, after) = (met(&kind.before, &self.groups.before), met(&kind.after, &self.groups.after));
        Both { before: before.clone().without(&after), after: after.without(&before) }
    }

    fn listed(&self, place: usize, others: &Bits, nameable: &BTreeSet<UserId>) -> Vec<UserId> {
        let found = self.people.iter().enumerate().filter(|(other, user)| *other != place && others.has(*other) && nameable.contains(user));
        found.map(|(_, user)| *user).take(LISTED).collect()
    }
}

/// Those who have any level `g`.
fn looking(levels: &EffectiveAccess) -> BTreeSet<UserId> {
    levels.iter().filter(|(_, places)| places.values().any(|merged| merged.looks_at_groups())).map(|(user, _)| *user).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn companies(people: &[(UserId, &[GroupId])]) -> Companies {
        people.iter().map(|(user, groups)| (*user, groups.iter().copied().collect())).collect()
    }

    #[tokio::test]
    async fn whoever_shares_another_group_is_neither_gained_nor_lost() {
        let [ann, bob, cleo, dan] = [(); 4].map(|()| UserId::new());
        let [board, club, far] = [(); 3].map(|()| GroupId::new());
        let before = companies(&[(ann, &[board, club]), (bob, &[board, club]), (cleo, &[board]), (dan, &[far])]);
        let after = companies(&[(ann, &[club]), (bob, &[club]), (dan, &[far])]);
        let mut regrouped = Regrouped::of(&before, &after);
        assert_eq!(regrouped.people, [ann, bob, cleo], "whom it does not concern is not looked at");
        assert_eq!((regrouped.kinds.len(), &regrouped.kind_of[..]), (2, &[0, 0, 1][..]));
        let looking: BTreeSet<UserId> = [ann, cleo].into();
        regrouped.looking = Both { before: looking.clone(), after: looking };
        let told = regrouped.told(&[ann, bob, cleo, dan].into()).await;
        assert_eq!(told.totals, ReachTotals { users: 2, gained: 0, lost: 3 });
        let of = |user| told.changes.iter().find(|change| change.user_id == user).map(|change| change.loses.clone());
        assert_eq!((of(ann), of(cleo)), (Some(vec![cleo]), Some(vec![ann, bob])));
    }

    #[test]
    fn nobody_is_looked_at_where_everybody_stays() {
        let (everyone, users) = (GroupId::new(), [(); 3].map(|()| UserId::new()));
        let same: Companies = users.into_iter().map(|user| (user, [everyone].into())).collect();
        assert!(Regrouped::of(&same, &same).people.is_empty());
    }

    /// Everybody is in a group of their own beside the one that goes.
    #[tokio::test]
    async fn as_many_kinds_as_people_are_counted_in_no_time() {
        let everyone = GroupId::new();
        let before: Companies =
            std::iter::repeat_with(UserId::new).take(10_000).map(|user| (user, [everyone, GroupId::new()].into())).collect();
        let alone = |groups: &Company| groups.iter().copied().filter(|group| *group != everyone).collect();
        let after: Companies = before.iter().map(|(user, groups)| (*user, alone(groups))).collect();
        let mut regrouped = Regrouped::of(&before, &after);
        let all: BTreeSet<UserId> = before.into_keys().collect();
        regrouped.looking = Both { before: all.clone(), after: all };
        let told = regrouped.told(&BTreeSet::new()).await;
        assert_eq!(told.totals, ReachTotals { users: 10_000, gained: 0, lost: 10_000 * 9_999 });
    }
}
