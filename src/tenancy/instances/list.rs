//! Instances, listed by label: of a mandate as far as a member's level reaches, and of every
//! mandate for SysAdmins.

use sqlx::PgConnection;
use uuid::Uuid;

use super::FeatureInstance;
use super::find::instance_of;
use crate::access::tables::{Instances, Read};
use crate::context::{Grant, System};
use crate::kernel::db::page::{Paging, Position, Rows};
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, UserId};

/// A row as it is told, with its place in the list.
macro_rules! placed {
    ($row:expr) => {{
        let position = Position::new($row.label_sort, $row.id);
        (instance_of!($row), position)
    }};
}

/// To what a list is narrowed.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub feature: Option<&'a str>,
    /// To whom they are open.
    pub user: Option<UserId>,
}

impl Filter<'_> {
    fn user(&self) -> Option<Uuid> {
        self.user.map(UserId::uuid)
    }
}

/// The instances that the grant reaches: all, those open to group peers, or those open to the
/// caller.
pub(super) async fn in_mandate(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Read>,
    filter: &Filter<'_>,
    paging: &Paging,
) -> Result<Rows<FeatureInstance>> {
    macro_rules! instances {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                "select i.id, i.feature_code, i.mandate_id, i.label, i.label_sort, i.enabled,
                   i.version, i.created_at
                 from feature_instances i
                 where i.mandate_id = $1
                   and ($2 = 3 or i.id in (select a.instance_id from feature_accesses a
                       where a.mandate_id = $1 and a.enabled
                         and (a.user_id = $3 or ($2 = 2 and a.user_id in (select p.user_id
                             from group_peers($1, $3) p)))))
                   and ($4::text is null or i.feature_code = $4)
                   and ($5::uuid is null or i.id in (select u.instance_id from feature_accesses u
                       where u.mandate_id = $1 and u.user_id = $5 and u.enabled))
                   and (i.label_sort, i.id) "
                    + $compare
                    + " ($6, $7)
                 order by "
                    + $order
                    + " limit $8",
                grant.mandate_uuid(),
                i32::from(grant.level_number()),
                grant.caller_uuid(),
                filter.feature,
                filter.user(),
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| placed!(row))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        instances!("<", "i.label_sort desc, i.id desc").await?
    } else {
        instances!(">", "i.label_sort, i.id").await?
    };
    let total =
        if paging.count { Some(count_in_mandate(connection, grant, filter).await?) } else { None };
    Ok(paging.cut(rows, total, |placed| placed))
}

async fn count_in_mandate(
    connection: &mut PgConnection,
    grant: &Grant<Instances, Read>,
    filter: &Filter<'_>,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from feature_instances i
           where i.mandate_id = $1
             and ($2 = 3 or i.id in (select a.instance_id from feature_accesses a
                 where a.mandate_id = $1 and a.enabled
                   and (a.user_id = $3 or ($2 = 2 and a.user_id in (select p.user_id
                       from group_peers($1, $3) p)))))
             and ($4::text is null or i.feature_code = $4)
             and ($5::uuid is null or i.id in (select u.instance_id from feature_accesses u
                 where u.mandate_id = $1 and u.user_id = $5 and u.enabled))"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        filter.feature,
        filter.user(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// Those of the mandates that are not deleted, or of one of them; by label.
pub(super) async fn everywhere(
    connection: &mut PgConnection,
    system: System,
    mandate: Option<MandateId>,
    filter: &Filter<'_>,
    paging: &Paging,
) -> Result<Rows<FeatureInstance>> {
    macro_rules! instances {
        ($compare:tt, $order:tt) => {
            sqlx::query!(
                "select i.id, i.feature_code, i.mandate_id, i.label, i.label_sort, i.enabled,
                   i.version, i.created_at
                 from feature_instances i join mandates d on d.id = i.mandate_id
                 where d.deleted_at is null and ($1::uuid is null or i.mandate_id = $1)
                   and ($2::text is null or i.feature_code = $2)
                   and ($3::uuid is null or i.id in (select u.instance_id from feature_accesses u
                       where u.user_id = $3 and u.enabled))
                   and (i.label_sort, i.id) "
                    + $compare
                    + " ($4, $5)
                 order by "
                    + $order
                    + " limit $6",
                mandate.map(MandateId::uuid),
                filter.feature,
                filter.user(),
                paging.bound_text(),
                paging.bound_id(),
                paging.fetch(),
            )
            .map(|row| placed!(row))
            .fetch_all(&mut *connection)
        };
    }
    let rows = if paging.descending {
        instances!("<", "i.label_sort desc, i.id desc").await?
    } else {
        instances!(">", "i.label_sort, i.id").await?
    };
    let total = if paging.count {
        Some(count_everywhere(connection, system, mandate, filter).await?)
    } else {
        None
    };
    Ok(paging.cut(rows, total, |placed| placed))
}

async fn count_everywhere(
    connection: &mut PgConnection,
    _: System,
    mandate: Option<MandateId>,
    filter: &Filter<'_>,
) -> Result<i64> {
    let total = sqlx::query_scalar!(
        r#"select count(*) as "total!" from feature_instances i
             join mandates d on d.id = i.mandate_id
           where d.deleted_at is null and ($1::uuid is null or i.mandate_id = $1)
             and ($2::text is null or i.feature_code = $2)
             and ($3::uuid is null or i.id in (select u.instance_id from feature_accesses u
                 where u.user_id = $3 and u.enabled))"#,
        mandate.map(MandateId::uuid),
        filter.feature,
        filter.user(),
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}
