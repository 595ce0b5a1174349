//! Who comes to share a group with whom, and what they reach by it: level `g` counts in both
//! directions.
//!
//! A delegate does not widen what they themselves reach: they add neither themselves to a group,
//! nor to a group of theirs anybody with whom they share none yet while any of their levels is `g`.
//! They add and take away only people whose access is within theirs. And whoever comes to share a
//! group through them, or to have `g`, reaches by it only rows that the delegate reaches too; whose
//! a row is decides that here, as everywhere (who is admitted to an instance or holds a role has a
//! part in it).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;

use super::change::Change;
use super::judge::{Giving, require_within};
use super::mandate::MandateContext;
use super::people::{Live, People};
use crate::access::grant::Bound;
use crate::access::tables::{Groups, Table};
use crate::access::{Level, Permissions};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{GroupId, UserId, uuids};

/// Who is in a group, before and after.
#[derive(Debug)]
pub struct Regrouping<'a> {
    /// The least level that reaches the group before.
    pub nearness: Level,
    pub before: &'a BTreeSet<UserId>,
    pub after: &'a BTreeSet<UserId>,
}

impl Regrouping<'_> {
    pub fn added(&self) -> Vec<UserId> {
        self.after.difference(self.before).copied().collect()
    }
    pub fn removed(&self) -> Vec<UserId> {
        self.before.difference(self.after).copied().collect()
    }
}

impl MandateContext {
    /// 403 where the caller is a delegate: whom a group takes in by itself is for admins to say.
    pub fn require_may_set_auto_join(&self) -> Result<()> {
        if self.is_delegate() {
            return Err(Error::new(
                Code::SelfEscalation,
                "`autoJoin` is set by admins of the mandate.",
            ));
        }
        Ok(())
    }
}

impl Change<MandateContext> {
    /// What [`require_opens_nothing`] asks, where a membership is enabled again: all that its
    /// holder was given counts then.
    pub async fn require_revival_opens_nothing(&mut self, user: UserId) -> Result<()> {
        let context = self.context.clone();
        if !context.is_delegate() {
            return Ok(());
        }
        let people =
            People::load(&mut **self, &[user, context.caller.user], context.mandate).await?;
        if people.held(user).least_where_group(&people.live(context.caller.user)) == Level::All {
            return Ok(());
        }
        require_near(self, &context, &[user]).await
    }

    /// Whether the caller may put and take people so.
    pub async fn require_may_regroup(&mut self, regrouping: &Regrouping<'_>) -> Result<()> {
        let (context, caller) = (self.context.clone(), self.context.caller.user);
        // SysAdmins do not raise themselves, not even as an admin of the mandate.
        if !context.is_delegate() && !context.caller.is_sys_admin {
            return Ok(());
        }
        let (added, removed) = (regrouping.added(), regrouping.removed());
        if added.contains(&caller) {
            return Err(Error::new(
                Code::SelfEscalation,
                "Groups widen what level `g` reaches; another admin can add you.",
            ));
        }
        let of_group: &BTreeSet<UserId> =
            if added.is_empty() { &BTreeSet::new() } else { regrouping.after };
        let concerned: BTreeSet<UserId> =
            of_group.iter().chain(&removed).copied().chain([caller]).collect();
        let people =
            People::load(&mut **self, &concerned.into_iter().collect::<Vec<_>>(), context.mandate)
                .await?;
        let sharing = Sharing::of(&people, caller, of_group, &added);
        if context.gains_by_nearness(Groups::NAME, regrouping.nearness, sharing.nearness()) {
            return Err(Error::new(
                Code::SelfEscalation,
                "The group would become your group's, and you would come to reach it so.",
            ));
        }
        if people.held(caller).looks_at_groups() && sharing.brings_somebody_near() {
            return Err(Error::new(
                Code::SelfEscalation,
                "You would come to share a group with somebody, and level `g` would reach their \
                    rows.",
            ));
        }
        if !context.is_delegate() {
            return Ok(());
        }
        let others: Vec<UserId> =
            added.into_iter().chain(removed).filter(|other| *other != caller).collect();
        require_within(&people, caller, None, &others)?;
        sharing.require_nothing_opened().await
    }
}

/// 403 where a delegate would give `g` to somebody who is near people to whom the delegate is not:
/// by it their rows would be reached, as if the delegate had brought the two together afterwards.
pub async fn require_opens_nothing(
    connection: &mut PgConnection,
    context: &impl Giving,
    receivers: &[UserId],
    given: &[&Permissions],
) -> Result<()> {
    let least =
        || Bound::of(given.iter().copied(), &context.known()).least_where_group(&context.own());
    if !context.mandate().is_delegate() || least() == Level::All {
        return Ok(());
    }
    require_near(connection, context.mandate(), receivers).await
}

async fn require_near(
    connection: &mut PgConnection,
    mandate: &MandateContext,
    receivers: &[UserId],
) -> Result<()> {
    let beyond = sqlx::query_scalar!(
        r#"with own as (select p.user_id from group_peers($1, $2) p)
           select exists (
             select 1 from unnest($3::uuid[]) r (id)
             join group_members mine on mine.mandate_id = $1 and mine.user_id = r.id
             join group_members peers on peers.mandate_id = $1 and peers.group_id = mine.group_id
             where r.id <> $2 and peers.user_id not in (r.id, $2)
               and not exists (select 1 from own where own.user_id = peers.user_id)) as "beyond!""#,
        mandate.mandate.uuid(),
        mandate.caller.user.uuid(),
        &uuids(receivers),
    )
    .fetch_one(connection)
    .await?;
    if beyond {
        let detail = "Somebody who would get level `g` shares a group with people whose rows you \
            do not reach.";
        return Err(Error::new(Code::GrantExceedsOwnAccess, detail));
    }
    Ok(())
}

/// People of the group who belong to the same groups: as far as sharing goes, they are alike.
struct Alike {
    /// A bit for each group.
    groups: Vec<u64>,
    is_caller: bool,
    /// Shares a group with the caller.
    is_near: bool,
    people: usize,
    added: usize,
    /// What of the rows that one of them reaches by groups the caller reaches at least.
    least: Level,
}

/// The people of a group as it is to be, by the groups that they belong to now.
struct Sharing(Vec<Alike>);

impl Sharing {
    fn of(people: &People, caller: UserId, of_group: &BTreeSet<UserId>, added: &[UserId]) -> Self {
        let numbers: BTreeMap<GroupId, usize> = {
            let all: BTreeSet<GroupId> = of_group
                .iter()
                .chain([&caller])
                .filter_map(|user| people.groups(*user))
                .flatten()
                .copied()
                .collect();
            all.into_iter().zip(0..).collect()
        };
        let bits = |user: UserId| {
            let mut bits = vec![0; numbers.len().div_ceil(64)];
            for number in
                people.groups(user).into_iter().flatten().filter_map(|group| numbers.get(group))
            {
                bits[number / 64] |= 1 << (number % 64);
            }
            bits
        };
        let (own, own_groups) = (people.live(caller), bits(caller));
        let added: BTreeSet<UserId> = added.iter().copied().collect();
        let mut reached = Reached { people, own: &own, known: HashMap::new() };
        let mut alike: HashMap<(bool, Vec<u64>), Alike> = HashMap::new();
        for user in of_group {
            let (is_caller, groups) = (*user == caller, bits(*user));
            let is_near = is_caller || share(&groups, &own_groups);
            let made = Alike {
                groups: groups.clone(),
                is_caller,
                is_near,
                people: 0,
                added: 0,
                least: Level::All,
            };
            let those = alike.entry((is_caller, groups)).or_insert(made);
            those.people += 1;
            those.added += usize::from(added.contains(user));
            if !is_caller {
                those.least = those.least.min(reached.least(*user));
            }
        }
        Self(alike.into_values().collect())
    }

    /// Whether the caller comes to share a group with somebody with whom they share none.
    fn brings_somebody_near(&self) -> bool {
        self.0.iter().any(|alike| alike.is_caller)
            && self.0.iter().any(|alike| alike.added > 0 && !alike.is_near)
    }

    /// The least level that reaches the group once these are in it.
    fn nearness(&self) -> Level {
        let near = self.0.iter().any(|alike| alike.is_near);
        if self.0.iter().any(|alike| alike.is_caller) {
            Level::My
        } else if near {
            Level::Group
        } else {
            Level::All
        }
    }

    /// 403 where somebody would come to reach, by `g`, rows that the caller does not reach.
    async fn require_nothing_opened(&self) -> Result<()> {
        if self.0.iter().all(|alike| alike.least == Level::All) {
            return Ok(());
        }
        for newcomers in self.0.iter().filter(|alike| alike.added > 0) {
            let opened = self.0.iter().filter(|others| newcomers.come_to_share_with(others));
            if opened
                .into_iter()
                .any(|others| newcomers.reach_beyond(others) || others.reach_beyond(newcomers))
            {
                let detail = "Somebody would come to share a group with people whose rows you do \
                    not reach, and level `g` would reach them.";
                return Err(Error::new(Code::GrantExceedsOwnAccess, detail));
            }
            // Thousands of people who all belong to different groups keep nobody else waiting.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

fn share(one: &[u64], other: &[u64]) -> bool {
    one.iter().zip(other).any(|(one, other)| one & other != 0)
}

impl Alike {
    fn come_to_share_with(&self, others: &Self) -> bool {
        let not_only_oneself = !std::ptr::eq(self, others) || self.people > 1;
        not_only_oneself && !share(&self.groups, &others.groups)
    }

    /// Whether these would reach rows of the others that the caller does not reach.
    fn reach_beyond(&self, owners: &Self) -> bool {
        let needed = match (owners.is_caller, owners.is_near) {
            (true, _) => Level::My,
            (false, true) => Level::Group,
            (false, false) => Level::All,
        };
        self.least < needed
    }
}

/// What of the rows that somebody reaches by groups the caller reaches; worked out once for people
/// who were given the same.
struct Reached<'a> {
    people: &'a People,
    own: &'a Live,
    known: HashMap<Vec<(super::effective::Place, &'a [crate::kernel::ids::RoleId])>, Level>,
}

impl Reached<'_> {
    fn least(&mut self, user: UserId) -> Level {
        let (people, own) = (self.people, self.own);
        *self
            .known
            .entry(people.given(user))
            .or_insert_with(|| people.held(user).least_where_group(own))
    }
}
