//! Whom level `g` reaches, before and after: what a change of who is in a group does, though it
//! changes nobody's level. Owners of rows count whether or not they are enabled, since their rows
//! are there all the same.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::companies::{Both, Companies, Company, Regrouped};
use super::concerned::Concerned;
use super::effective::{EffectiveAccess, effective_access};
use super::reach_told::{LISTED, ReachPreview};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{GroupId, MandateId, UserId, uuids};

/// What is looked at where a change was made, before it is undone.
pub(super) enum Changed {
    /// Who is in which group stays as it is.
    Nothing,
    /// Who is in this group then.
    Group(GroupId, BTreeSet<UserId>),
    /// Who shares a group with somebody who becomes a member or is one no more.
    Peers(UserId, BTreeSet<UserId>),
}

impl Changed {
    pub async fn look(
        connection: &mut PgConnection,
        mandate: MandateId,
        concerned: Concerned,
    ) -> Result<Option<Self>> {
        Ok(match concerned {
            Concerned::User(_) | Concerned::HoldersOf(_) => None,
            Concerned::Nobody => Some(Self::Nothing),
            Concerned::Membership(user) => {
                Some(Self::Peers(user, peers_of(connection, mandate, user).await?))
            }
            Concerned::Group(group) => {
                Some(Self::Group(group, members_of(connection, mandate, group).await?))
            }
        })
    }

    /// The same at the moment before. Who looks at groups is read as it was then; a membership that
    /// comes or goes has its own levels.
    pub async fn and_before(
        self,
        connection: &mut PgConnection,
        mandate: MandateId,
        levels: (&EffectiveAccess, &EffectiveAccess),
    ) -> Result<Moves> {
        let (people, own, with) = match self {
            Self::Nothing => return Ok(Moves::default()),
            Self::Peers(user, after) => {
                let before = peers_of(connection, mandate, user).await?;
                let moved: BTreeSet<UserId> =
                    before.symmetric_difference(&after).copied().chain([user]).collect();
                (moved, Some(user), With::Peers(user, Both { before, after }))
            }
            Self::Group(group, after) => {
                let mut people = members_of(connection, mandate, group).await?;
                people.extend(&after);
                let companies = companies(connection, mandate, &people).await?;
                (people, None, With::Group(group, Both { before: companies, after }))
            }
        };
        let people: Vec<UserId> = people.into_iter().collect();
        let mut others = looking(&effective_access(connection, mandate, &people, None).await?);
        others.retain(|user| own != Some(*user));
        let with_own = |levels| others.iter().copied().chain(looking(levels)).collect();
        Ok(Moves {
            people,
            looking: Both { before: with_own(levels.0), after: with_own(levels.1) },
            with,
        })
    }
}

/// Who would be with whom, and who looks at that: all that is to be had of the database. What it
/// comes to is worked out later, when the change is undone and nobody waits for its locks.
#[derive(Default)]
pub(super) struct Moves {
    /// Everybody whom it may concern.
    people: Vec<UserId>,
    looking: Both<BTreeSet<UserId>>,
    with: With,
}

#[derive(Default)]
enum With {
    #[default]
    Nobody,
    /// The groups of everybody who is or was in this one, as they were; and who is in it then.
    Group(GroupId, Both<Companies, BTreeSet<UserId>>),
    /// Everybody else meets one person more or less: this one.
    Peers(UserId, Both<BTreeSet<UserId>>),
}

impl Moves {
    /// Everybody whom it may have to name.
    pub fn users(&self) -> &[UserId] {
        &self.people
    }

    /// Counts everybody, and names those who may be named.
    pub async fn told(self, nameable: BTreeSet<UserId>) -> Result<ReachPreview> {
        let Self { people, looking, with } = self;
        match with {
            With::Nobody => Ok(ReachPreview::default()),
            With::Peers(user, peers) => Ok(of_peers(&people, &looking, (user, &peers), &nameable)),
            With::Group(group, Both { before, after }) => {
                let regrouped = tokio::task::spawn_blocking(move || {
                    let after = people
                        .iter()
                        .map(|user| {
                            (*user, company_after(group, before.get(user), after.contains(user)))
                        })
                        .collect();
                    let mut regrouped = Regrouped::of(&before, &after);
                    regrouped.looking = looking;
                    regrouped
                });
                Ok(regrouped.await.map_err(Error::internal)?.told(&nameable).await)
            }
        }
    }
}

fn company_after(group: GroupId, before: Option<&Company>, is_in: bool) -> Company {
    let mut company = before.cloned().unwrap_or_default();
    if is_in {
        company.insert(group);
    } else {
        company.remove(&group);
    }
    company
}

/// One person meets others, or no longer; and each of them that one person.
fn of_peers(
    people: &[UserId],
    looking: &Both<BTreeSet<UserId>>,
    (one, peers): (UserId, &Both<BTreeSet<UserId>>),
    nameable: &BTreeSet<UserId>,
) -> ReachPreview {
    let mut told = ReachPreview::default();
    for user in people {
        let met =
            |there: &BTreeSet<UserId>, elsewhere: &BTreeSet<UserId>, looks: bool| -> Vec<UserId> {
                let moved = |other: &UserId| there.contains(other) && !elsewhere.contains(other);
                match (looks, *user == one) {
                    (false, _) => Vec::new(),
                    (true, true) => there.difference(elsewhere).copied().collect(),
                    (true, false) => moved(user).then_some(one).into_iter().collect(),
                }
            };
        let gains = met(&peers.after, &peers.before, looking.after.contains(user));
        let loses = met(&peers.before, &peers.after, looking.before.contains(user));
        let listed = |all: Vec<UserId>| {
            all.into_iter().filter(|other| nameable.contains(other)).take(LISTED).collect()
        };
        told.count(*user, (gains.len(), loses.len()), nameable, || (listed(gains), listed(loses)));
    }
    told
}

/// Who shares a group with somebody.
async fn peers_of(
    connection: &mut PgConnection,
    mandate: MandateId,
    user: UserId,
) -> Result<BTreeSet<UserId>> {
    let peers = sqlx::query_scalar!(
        r#"select g.user_id as "user_id!" from group_peers($1, $2) g where g.user_id <> $2"#,
        mandate.uuid(),
        user.uuid()
    );
    Ok(peers.fetch_all(connection).await?.into_iter().map(UserId::from).collect())
}

async fn members_of(
    connection: &mut PgConnection,
    mandate: MandateId,
    group: GroupId,
) -> Result<BTreeSet<UserId>> {
    let members = sqlx::query_scalar!(
        "select user_id from group_members where mandate_id = $1 and group_id = $2",
        mandate.uuid(),
        group.uuid()
    );
    Ok(members.fetch_all(connection).await?.into_iter().map(UserId::from).collect())
}

/// The groups that these people are in; people in the same ones come in one row.
async fn companies(
    connection: &mut PgConnection,
    mandate: MandateId,
    people: &BTreeSet<UserId>,
) -> Result<Companies> {
    let people: Vec<UserId> = people.iter().copied().collect();
    let rows = sqlx::query!(
        r#"select a.group_ids as "group_ids!", array_agg(a.user_id) as "user_ids!"
           from (select m.user_id, array_agg(m.group_id order by m.group_id) as group_ids
                 from group_members m where m.mandate_id = $1 and m.user_id = any ($2)
                   group by m.user_id) a
           group by a.group_ids"#,
        mandate.uuid(),
        &uuids(&people),
    )
    .fetch_all(connection)
    .await?;
    let mut companies = Companies::new();
    for row in rows {
        let groups: Company = row.group_ids.into_iter().map(GroupId::from).collect();
        companies.extend(row.user_ids.into_iter().map(|user| (user.into(), groups.clone())));
    }
    Ok(companies)
}

/// Those who have any level `g`.
fn looking(levels: &EffectiveAccess) -> BTreeSet<UserId> {
    levels
        .iter()
        .filter(|(_, places)| places.values().any(|merged| merged.looks_at_groups()))
        .map(|(user, _)| *user)
        .collect()
}
