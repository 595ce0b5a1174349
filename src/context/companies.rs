//! Who is with whom in groups, before and after a change of who is in one of them. Only people who
//! are, or were, in a group that changes are looked at. A group is a bit for each of them, so that
//! whom somebody meets is as many words as they have groups, and never everybody beside everybody;
//! people in the same groups before and after are alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::reach_told::{LISTED, ReachPreview};
use crate::kernel::ids::{GroupId, UserId};

/// The groups that somebody is in.
pub(super) type Company = BTreeSet<GroupId>;
/// The same of several people.
pub(super) type Companies = BTreeMap<UserId, Company>;

/// The moments before and after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Both<B, A = B> {
    pub before: B,
    pub after: A,
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

/// Who would be with whom in groups.
pub(super) struct Regrouped {
    /// Whoever is or was in a group that changes, by id.
    people: Vec<UserId>,
    /// In which of `kinds` each of them is: the groups before and after.
    kind_of: Vec<usize>,
    kinds: Vec<Both<Company>>,
    groups: Both<HashMap<GroupId, Bits>>,
    /// Who has any level `g`.
    pub looking: Both<BTreeSet<UserId>>,
}

impl Regrouped {
    pub fn of(before: &Companies, after: &Companies) -> Self {
        let nowhere = Company::new();
        let users: BTreeSet<UserId> = before.keys().chain(after.keys()).copied().collect();
        let of = |user: &UserId| {
            [before, after].map(|companies| companies.get(user).unwrap_or(&nowhere))
        };
        let changing: Company =
            users.iter().map(of).flat_map(|[before, after]| before ^ after).collect();
        let people: Vec<UserId> = users
            .into_iter()
            .filter(|user| of(user).into_iter().any(|groups| !groups.is_disjoint(&changing)))
            .collect();
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
        let (mut kinds, mut known): (Vec<Both<Company>>, HashMap<[&Company; 2], usize>) =
            (Vec::new(), HashMap::new());
        let kind_of = people.iter().map(of).map(|[before, after]| {
            *known.entry([before, after]).or_insert_with(|| {
                kinds.push(Both { before: before.clone(), after: after.clone() });
                kinds.len() - 1
            })
        });
        let kind_of = kind_of.collect();
        Self { kind_of, kinds, groups, people, looking: Both::default() }
    }

    /// Counts everybody, and names those who may be named.
    pub async fn told(&self, nameable: &BTreeSet<UserId>) -> ReachPreview {
        let counts = self.counts().await;
        let mut told = ReachPreview::default();
        for (place, user) in self.people.iter().enumerate() {
            let count = &counts[self.kind_of[place]];
            let gained = if self.looking.after.contains(user) { count.after } else { 0 };
            let lost = if self.looking.before.contains(user) { count.before } else { 0 };
            told.count(*user, (gained, lost), nameable, || {
                let moved = self.moved(&self.kinds[self.kind_of[place]]);
                let listed = |count: usize, others: &Bits| {
                    if count > 0 { self.listed(place, others, nameable) } else { Vec::new() }
                };
                (listed(gained, &moved.after), listed(lost, &moved.before))
            });
        }
        told
    }

    /// For each kind, with how many others somebody of it comes to share a group (after), and no
    /// longer shares one (before).
    async fn counts(&self) -> Vec<Both<usize>> {
        let mut counts = Vec::with_capacity(self.kinds.len());
        for kind in &self.kinds {
            let moved = self.moved(kind);
            // Whoever was in no group, or is in none now, comes to themselves too, or leaves
            // themselves.
            let oneself = |company: &Company, other: &Company| {
                usize::from(company.is_empty() && !other.is_empty())
            };
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
            company
                .iter()
                .filter_map(|group| groups.get(group))
                .for_each(|group| met.add_all(group));
            met
        };
        let (before, after) =
            (met(&kind.before, &self.groups.before), met(&kind.after, &self.groups.after));
        Both { before: before.clone().without(&after), after: after.without(&before) }
    }

    fn listed(&self, place: usize, others: &Bits, nameable: &BTreeSet<UserId>) -> Vec<UserId> {
        let found = self.people.iter().enumerate().filter(|(other, user)| {
            *other != place && others.has(*other) && nameable.contains(user)
        });
        found.map(|(_, user)| *user).take(LISTED).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::reach_told::ReachTotals;

    fn companies(people: &[(UserId, &[GroupId])]) -> Companies {
        people.iter().map(|(user, groups)| (*user, groups.iter().copied().collect())).collect()
    }

    #[tokio::test]
    async fn whoever_shares_another_group_is_neither_gained_nor_lost() {
        let [ann, bob, cleo, dan] = [(); 4].map(|()| UserId::new());
        let [board, club, far] = [(); 3].map(|()| GroupId::new());
        let before = companies(&[
            (ann, &[board, club]),
            (bob, &[board, club]),
            (cleo, &[board]),
            (dan, &[far]),
        ]);
        let after = companies(&[(ann, &[club]), (bob, &[club]), (dan, &[far])]);
        let mut regrouped = Regrouped::of(&before, &after);
        assert_eq!(regrouped.people, [ann, bob, cleo], "whom it does not concern is not looked at");
        assert_eq!((regrouped.kinds.len(), &regrouped.kind_of[..]), (2, &[0, 0, 1][..]));
        let looking: BTreeSet<UserId> = [ann, cleo].into();
        regrouped.looking = Both { before: looking.clone(), after: looking };
        let told = regrouped.told(&[ann, bob, cleo, dan].into()).await;
        assert_eq!(told.totals, ReachTotals { users: 2, gained: 0, lost: 3 });
        let of = |user| {
            told.changes
                .iter()
                .find(|change| change.user_id == user)
                .map(|change| change.loses.clone())
        };
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
        let before: Companies = std::iter::repeat_with(UserId::new)
            .take(10_000)
            .map(|user| (user, [everyone, GroupId::new()].into()))
            .collect();
        let alone =
            |groups: &Company| groups.iter().copied().filter(|group| *group != everyone).collect();
        let after: Companies = before.iter().map(|(user, groups)| (*user, alone(groups))).collect();
        let mut regrouped = Regrouped::of(&before, &after);
        let all: BTreeSet<UserId> = before.into_keys().collect();
        regrouped.looking = Both { before: all.clone(), after: all };
        let told = regrouped.told(&BTreeSet::new()).await;
        assert_eq!(told.totals, ReachTotals { users: 10_000, gained: 0, lost: 10_000 * 9_999 });
    }
}
