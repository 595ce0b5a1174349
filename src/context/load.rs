//! What contexts are loaded from. Each function is one statement, so that what is read together is
//! of one moment; data and the epochs that they are cached under in particular (data first and
//! epochs second would be stale for good).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use sqlx::types::Json;
use uuid::Uuid;

use super::{InstanceAccess, MandateAccess};
use crate::access::decision::Target;
use crate::access::{Catalogue, HeldRole, Level};
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, RoleId, SessionId, UserId};

/// The numbers that a cached context stands and falls with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    pub user: i64,
    pub mandate: Option<i64>,
    pub catalogue: i64,
}

/// What every request asks first.
#[derive(Debug)]
pub(super) struct Fresh {
    pub is_sys_admin: bool,
    pub epochs: Epochs,
}

/// Whether the session is alive, and the present epochs. `None`: sign in first.
pub(super) async fn freshness(
    executor: impl PgExecutor<'_>,
    session: SessionId,
    user: UserId,
    mandate: Option<MandateId>,
    now: DateTime<Utc>,
) -> Result<Option<Fresh>> {
    let row = sqlx::query!(
        r#"select u.is_sys_admin, ue.epoch as user_epoch, ce.epoch as catalogue_epoch,
             me.epoch as "mandate_epoch?"
           from sessions s
           join users u on u.id = s.user_id
           join user_epochs ue on ue.user_id = s.user_id
           cross join catalogue_epoch ce
           left join mandate_epochs me on me.mandate_id = $3
           where s.id = $1 and s.user_id = $2 and s.revoked_at is null and s.expires_at > $4
             and u.enabled and u.erased_at is null"#,
        session.uuid(),
        user.uuid(),
        mandate.map(MandateId::uuid),
        now,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Fresh {
        is_sys_admin: row.is_sys_admin,
        epochs: Epochs {
            user: row.user_epoch,
            mandate: row.mandate_epoch,
            catalogue: row.catalogue_epoch,
        },
    }))
}

/// A user's access in a mandate, and the epochs that it was read at.
#[derive(Debug)]
pub(super) struct LoadedMandate {
    pub epochs: Epochs,
    /// `None`: not a member, or something on the way is disabled or deleted.
    pub access: Option<MandateAccess>,
    pub first_use: bool,
}

pub(super) async fn mandate_access(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
) -> Result<Option<LoadedMandate>> {
    let row = sqlx::query!(
        r#"select ue.epoch as user_epoch, ce.epoch as catalogue_epoch, me.epoch as "mandate_epoch?",
                  m.user_id is not null as "alive!", (m.user_id is not null
                      and m.first_used_at is null) as "first_use!",
                  (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                      'protected', r.protected,
                            'tables', role_tables(r.id), 'views', role_view_flags(r.id))
                              order by r.label_key), '[]')
                   from member_roles mr
                   join roles r on r.mandate_id = mr.mandate_id and r.id = mr.role_id
                   where mr.mandate_id = m.mandate_id
                     and mr.user_id = m.user_id) as "roles!: Json<Vec<HeldRole>>"
           from user_epochs ue
           cross join catalogue_epoch ce
           left join mandate_epochs me on me.mandate_id = $2
           left join (memberships m
                      join mandates d on d.id = m.mandate_id and d.enabled and d.deleted_at is null
                      join users u on u.id = m.user_id and u.enabled and u.erased_at is null)
             on m.mandate_id = $2 and m.user_id = ue.user_id and m.enabled
           where ue.user_id = $1"#,
        user.uuid(),
        mandate.uuid(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| LoadedMandate {
        epochs: Epochs {
            user: row.user_epoch,
            mandate: row.mandate_epoch,
            catalogue: row.catalogue_epoch,
        },
        first_use: row.first_use,
        access: row.alive.then(|| MandateAccess::of(row.roles.0)),
    }))
}

/// Whether somebody is a member of a mandate that is open, with a membership that is disabled.
pub(super) async fn is_suspended(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
) -> Result<bool> {
    let suspended = sqlx::query_scalar!(
        r#"select exists (select 1 from memberships m join mandates d on d.id = m.mandate_id
               and d.enabled and d.deleted_at is null
                          where m.mandate_id = $1 and m.user_id = $2
                            and not m.enabled) as "suspended!""#,
        mandate.uuid(),
        user.uuid(),
    );
    Ok(suspended.fetch_one(executor).await?)
}

/// An instance as a caller finds it: what it is, and how near the caller is to it.
#[derive(Debug, Clone)]
pub(super) struct FoundInstance {
    pub feature_code: String,
    pub catalogue: Catalogue,
    /// The least level of the table `instances` that reaches it.
    pub needed: Level,
    /// The caller's own access, where it is alive.
    pub access: Option<InstanceAccess>,
}

pub(super) async fn instance(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
    instance: InstanceId,
) -> Result<Option<FoundInstance>> {
    let row = sqlx::query!(
        r#"select i.feature_code, f.tables, f.views,
                  (i.enabled and a.user_id is not null) as "alive!",
                  case when a.user_id is not null then 1::smallint
                       when exists (select 1 from feature_accesses o
                                    where o.mandate_id = i.mandate_id and o.instance_id = i.id
                                      and o.enabled
                                      and o.user_id in (select p.user_id
                                          from group_peers($2, $1) p)) then 2::smallint
                       else 3::smallint end as "needed!",
                  (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                            'tables', role_tables(r.id), 'views', role_view_flags(r.id))
                              order by r.label_key), '[]')
                   from access_roles ar
                   join roles r on r.mandate_id = ar.mandate_id and r.instance_id = ar.instance_id
                     and r.id = ar.role_id
                   where ar.mandate_id = a.mandate_id and ar.instance_id = a.instance_id
                     and ar.user_id = a.user_id)
                    as "roles!: Json<Vec<HeldRole>>"
           from feature_instances i
           join features f on f.code = i.feature_code
           left join feature_accesses a
             on a.mandate_id = i.mandate_id and a.instance_id = i.id and a.user_id = $1
               and a.enabled
           where i.mandate_id = $2 and i.id = $3"#,
        user.uuid(),
        mandate.uuid(),
        instance.uuid(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| {
        let catalogue = Catalogue::instance(row.tables, row.views);
        let access = row.alive.then(|| {
            InstanceAccess::of(instance, row.feature_code.clone(), row.roles.0, &catalogue)
        });
        FoundInstance {
            feature_code: row.feature_code,
            catalogue,
            needed: Level::from_number(row.needed),
            access,
        }
    }))
}

/// An instance that is open to somebody.
#[derive(Debug, Clone)]
pub struct OpenInstance {
    pub id: InstanceId,
    pub label: String,
    pub feature_code: String,
    /// The tables of its feature.
    pub tables: Vec<String>,
    /// The views of its feature.
    pub views: Vec<String>,
}

/// The enabled instances of a mandate to which a user is admitted, by label; whoever calls knows
/// that the membership is alive.
pub(super) async fn open_instances(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
) -> Result<Vec<OpenInstance>> {
    let rows = sqlx::query_as!(
        OpenInstance,
        "select i.id, i.label, i.feature_code, f.tables, f.views
         from feature_accesses a
         join feature_instances i on i.mandate_id = a.mandate_id and i.id = a.instance_id
           and i.enabled
         join features f on f.code = i.feature_code
         where a.user_id = $1 and a.mandate_id = $2 and a.enabled
         order by i.label_key, i.id",
        user.uuid(),
        mandate.uuid(),
    );
    Ok(rows.fetch_all(executor).await?)
}

/// The instances of a mandate to which a user is admitted, whatever is disabled, by label.
pub(super) async fn admitted_instances(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
) -> Result<Vec<OpenInstance>> {
    let rows = sqlx::query_as!(
        OpenInstance,
        "select i.id, i.label, i.feature_code, f.tables, f.views
         from feature_accesses a
         join feature_instances i on i.mandate_id = a.mandate_id and i.id = a.instance_id
         join features f on f.code = i.feature_code
         where a.user_id = $1 and a.mandate_id = $2
         order by i.label_key, i.id",
        user.uuid(),
        mandate.uuid(),
    );
    Ok(rows.fetch_all(executor).await?)
}

/// Who of these users shares a group of the mandate with a member.
pub(super) async fn peers_among(
    executor: impl PgExecutor<'_>,
    mandate: MandateId,
    member: UserId,
    users: &[Uuid],
) -> Result<BTreeSet<UserId>> {
    let peers = sqlx::query_scalar!(
        r#"select distinct g.user_id as "user_id!" from group_peers($1, $2) g
             where g.user_id = any ($3)"#,
        mandate.uuid(),
        member.uuid(),
        users
    );
    Ok(peers.fetch_all(executor).await?.into_iter().map(UserId::from).collect())
}

/// Who of these users is admitted to an instance, enabled or not.
pub(super) async fn admitted_among(
    executor: impl PgExecutor<'_>,
    mandate: MandateId,
    instance: InstanceId,
    users: &[Uuid],
) -> Result<Vec<UserId>> {
    let admitted = sqlx::query_scalar!(
        "select user_id from feature_accesses where mandate_id = $1 and instance_id = $2
           and user_id = any ($3)",
        mandate.uuid(),
        instance.uuid(),
        users
    );
    Ok(admitted.fetch_all(executor).await?.into_iter().map(UserId::from).collect())
}

/// Whether any feature has a table, or a view, of this name.
pub(super) async fn is_of_a_feature(
    executor: impl PgExecutor<'_>,
    target: Target<'_>,
) -> Result<bool> {
    let (table, view) = match target {
        Target::Rows(table, _) => (Some(table), None),
        Target::View(view) => (None, Some(view)),
    };
    let known = sqlx::query_scalar!(
        r#"select exists (select 1 from features where ($1::text is not null and $1 = any (tables))
               or ($2::text is not null and $2 = any (views)))
           as "known!""#,
        table,
        view
    );
    Ok(known.fetch_one(executor).await?)
}

/// The mandate that an instance belongs to, for SysAdmins, whose path names only the instance.
pub(super) async fn mandate_of_instance(
    executor: impl PgExecutor<'_>,
    instance: InstanceId,
) -> Result<Option<MandateId>> {
    let id = sqlx::query_scalar!(
        "select i.mandate_id from feature_instances i join mandates d on d.id = i.mandate_id
           where i.id = $1 and d.deleted_at is null",
        instance.uuid()
    )
    .fetch_optional(executor)
    .await?;
    Ok(id.map(MandateId::from))
}

/// Whether a mandate exists and is not deleted; disabled ones count, since SysAdmins enable them
/// again.
pub(super) async fn mandate_exists(
    executor: impl PgExecutor<'_>,
    mandate: MandateId,
) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select true as "found!" from mandates where id = $1 and deleted_at is null"#,
        mandate.uuid()
    );
    Ok(found.fetch_optional(executor).await?.is_some())
}

/// Where a role belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoleHome {
    Template,
    Mandate,
    Instance(InstanceId),
}

/// Where the role is, as seen from a mandate: its own roles and the templates.
pub(super) async fn role_home(
    executor: impl PgExecutor<'_>,
    role: RoleId,
    mandate: Option<MandateId>,
) -> Result<Option<RoleHome>> {
    let row = sqlx::query!(
        "select mandate_id, instance_id from roles
           where id = $1 and (mandate_id is null or mandate_id = $2)",
        role.uuid(),
        mandate.map(MandateId::uuid)
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| match (row.mandate_id, row.instance_id) {
        (None, _) => RoleHome::Template,
        (Some(_), None) => RoleHome::Mandate,
        (Some(_), Some(instance)) => RoleHome::Instance(instance.into()),
    }))
}
