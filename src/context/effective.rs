//! What people may do at this moment: what guards would see, for many at once. The conditions are
//! those under which one caller's context is loaded ([`super::load`]); what is disabled or deleted
//! on the way gives nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::access::{Catalogue, HeldRole, Merged};
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, RoleId, UserId, uuids};

/// The mandate itself, or one of its instances.
pub(super) type Place = Option<InstanceId>;

/// Merged access by user and place; a place to which somebody has no access is missing.
pub(super) type EffectiveAccess = BTreeMap<UserId, BTreeMap<Place, Arc<Merged>>>;

/// Those who hold the very same roles in a place.
struct Alike {
    instance_id: Option<Uuid>,
    user_ids: Vec<Uuid>,
    /// Of the instance's feature.
    tables: Option<Vec<String>>,
    views: Option<Vec<String>>,
    roles: Json<Vec<HeldRole>>,
}

/// Of these users and of whoever holds the role. In one statement, however many are concerned:
/// those who hold the very same roles in a place come as one row, so that their permissions are
/// read and merged once.
pub(super) async fn effective_access(
    connection: &mut PgConnection,
    mandate: MandateId,
    users: &[UserId],
    holders_of: Option<RoleId>,
) -> Result<EffectiveAccess> {
    let mut everybody = EffectiveAccess::new();
    for row in alike(connection, mandate, users, holders_of).await? {
        let place = row.instance_id.map(InstanceId::from);
        let catalogue = catalogue(place, row.tables, row.views);
        let roles = row.roles.iter().map(|role| &role.permissions);
        let merged = Arc::new(Merged::of(roles, &catalogue));
        for user in row.user_ids {
            everybody.entry(user.into()).or_default().insert(place, Arc::clone(&merged));
        }
    }
    Ok(everybody)
}

async fn alike(
    connection: &mut PgConnection,
    mandate: MandateId,
    users: &[UserId],
    holders_of: Option<RoleId>,
) -> Result<Vec<Alike>> {
    sqlx::query_as!(
        Alike,
        r#"with concerned (id) as (
             select unnest($2::uuid[])
             union
             select mr.user_id from member_roles mr where mr.mandate_id = $1 and mr.role_id = $3
             union select ar.user_id from roles r
               join access_roles ar on ar.mandate_id = r.mandate_id
                 and ar.instance_id = r.instance_id and ar.role_id = r.id
               where r.mandate_id = $1 and r.id = $3),
           alive (user_id) as (
             select m.user_id from concerned c
             join memberships m on m.mandate_id = $1 and m.user_id = c.id and m.enabled
             join mandates d on d.id = m.mandate_id and d.enabled and d.deleted_at is null
             join users u on u.id = m.user_id and u.enabled and u.erased_at is null),
           held (user_id, instance_id, role_ids) as (
             select a.user_id, null::uuid,
                    array(select mr.role_id from member_roles mr where mr.mandate_id = $1
                        and mr.user_id = a.user_id order by 1)
             from alive a
             union all
             select f.user_id, f.instance_id,
                    array(select ar.role_id from access_roles ar
                          where ar.mandate_id = $1 and ar.instance_id = f.instance_id
                            and ar.user_id = f.user_id order by 1)
             from alive a
             join feature_accesses f on f.mandate_id = $1 and f.user_id = a.user_id and f.enabled
             join feature_instances i on i.mandate_id = f.mandate_id and i.id = f.instance_id
               and i.enabled),
           alike as (
             select instance_id, role_ids, array_agg(user_id) as user_ids
             from held group by instance_id, role_ids)
           select a.instance_id as "instance_id?", a.user_ids as "user_ids!",
                  f.tables as "tables?", f.views as "views?",
                  (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                            'protected', r.protected, 'tables', role_tables(r.id),
                            'views', role_view_flags(r.id))), '[]')
                   from roles r where r.mandate_id = $1
                     and r.id = any (a.role_ids)) as "roles!: Json<Vec<HeldRole>>"
           from alike a
           left join feature_instances i on i.mandate_id = $1 and i.id = a.instance_id
           left join features f on f.code = i.feature_code"#,
        mandate.uuid(),
        &uuids(users),
        holders_of.map(RoleId::uuid),
    )
    .fetch_all(connection)
    .await
    .map_err(Into::into)
}

/// Of the mandate, or with the tables and views of the instance's feature.
fn catalogue(place: Place, tables: Option<Vec<String>>, views: Option<Vec<String>>) -> Catalogue {
    let instance = || Catalogue::instance(tables.unwrap_or_default(), views.unwrap_or_default());
    if place.is_some() { instance() } else { Catalogue::mandate() }
}

/// How many effective admins a mandate has.
pub(super) async fn effective_admins(
    connection: &mut PgConnection,
    mandate: MandateId,
) -> Result<i64> {
    let admins = sqlx::query_scalar!(
        r#"select count(*) as "admins!"
           from roles r
           join member_roles mr on mr.mandate_id = r.mandate_id and mr.role_id = r.id
           join memberships m on m.mandate_id = mr.mandate_id and m.user_id = mr.user_id
             and m.enabled
           join users u on u.id = m.user_id and u.enabled and u.erased_at is null
           where r.mandate_id = $1 and r.protected and r.scope = 'mandate'"#,
        mandate.uuid()
    )
    .fetch_one(connection)
    .await?;
    Ok(admins)
}
