//! Through which groups level `g` reaches somebody's colleagues. That a group reaches, whoever asks
//! about access is told; which one, only who may read the group.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::access::tables::{Groups, Members, Read};
use crate::context::{Grant, MandateContext};
use crate::kernel::error::Result;
use crate::kernel::ids::{GroupId, UserId};

/// How many groups an answer names at most.
const NAMED: i64 = 20;

/// The groups through which level `g` reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaching {
    /// The first 20 by name; those that the caller may not read come last.
    pub groups: Vec<ReachingGroup>,
    /// How many there are.
    pub count: i64,
}

/// A group through which level `g` reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReachingGroup {
    /// Null where the caller may not read the group.
    pub id: Option<GroupId>,
    /// Null where the caller may not read the group.
    #[schema(example = "everyone")]
    pub name: Option<String>,
    /// Whether every new member joins it. Null where the caller may not read the group.
    #[schema(example = true)]
    pub auto_join: Option<bool>,
}

impl Reaching {
    /// Those of a member; with an owner, those that both belong to. `grant` reaches the member.
    pub async fn of(
        context: &MandateContext,
        grant: &Grant<Members, Read>,
        member: UserId,
        owner: Option<UserId>,
    ) -> Result<Self> {
        let readable = context.grant::<Groups, Read>().ok();
        let mut reading = context.read().await?;
        let reaching = reaching(&mut reading, grant, readable, member, owner).await?;
        reading.finish().await?;
        Ok(reaching)
    }

    /// The same for people.
    #[must_use]
    pub fn told(&self) -> String {
        let named: Vec<String> = self.groups.iter().filter_map(ReachingGroup::told).collect();
        let hidden = self.count - i64::try_from(named.len()).unwrap_or_default();
        match (&named[..], hidden) {
            ([], 0) => "No group.".to_owned(),
            ([], 1) => "A group that you may not read.".to_owned(),
            ([], _) => format!("{} groups.", self.count),
            (_, 0) => format!("{}.", named.join("; ")),
            (_, more) => format!("{}; and {more} more.", named.join("; ")),
        }
    }
}

impl ReachingGroup {
    fn told(&self) -> Option<String> {
        let joined = if self.auto_join == Some(true) { ", which every member joins" } else { "" };
        self.name.as_ref().map(|name| format!("`{name}`{joined}"))
    }
}

async fn reaching(
    connection: &mut PgConnection,
    grant: &Grant<Members, Read>,
    readable: Option<Grant<Groups, Read>>,
    member: UserId,
    owner: Option<UserId>,
) -> Result<Reaching> {
    let rows = sqlx::query!(
        r#"select g.id, g.name, g.auto_join, g.readable as "readable!", count(*) over () as "count!"
           from (select g.id, g.name, g.name_sort, g.auto_join,
                        ($4 = 3
                         or ($4 > 0
                             and exists (select 1 from group_members o
                                         where o.mandate_id = $1 and o.group_id = g.id
                                           and (o.user_id = $5
                                                or ($4 = 2
                                                    and o.user_id in (select p.user_id
                                                      from group_peers($1, $5) p)))))) as readable
                 from group_members s
                 join groups g on g.mandate_id = s.mandate_id and g.id = s.group_id
                 where s.mandate_id = $1 and s.user_id = $2
                   and ($3::uuid is null
                        or exists (select 1 from group_members o where o.mandate_id = $1
                            and o.group_id = g.id and o.user_id = $3))) g
           order by g.readable desc, g.name_sort, g.id limit $6"#,
        grant.mandate_uuid(),
        member.uuid(),
        owner.map(UserId::uuid),
        readable.map_or(0, |readable| i32::from(readable.level_number())),
        grant.caller_uuid(),
        NAMED,
    )
    .fetch_all(connection)
    .await?;
    let count = rows.first().map_or(0, |row| row.count);
    let groups = rows.into_iter().map(|row| ReachingGroup {
        id: row.readable.then_some(row.id.into()),
        name: row.readable.then_some(row.name),
        auto_join: row.readable.then_some(row.auto_join),
    });
    Ok(Reaching { groups: groups.collect(), count })
}
