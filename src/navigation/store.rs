//! The one statement behind `/api/features/my`: is the session alive, what are the epochs, and, where they are not those of the
//! body that the caller keeps, what is open to the user. It starts from the user, so that its cost grows with their own
//! instances and not with other mandates.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgPool;
use sqlx::types::Json;

use crate::access::HeldRole;
use crate::auth::session::Claims;
use crate::error::Result;
use crate::ids::{InstanceId, MandateId};
use crate::roles::Texts;

/// The numbers that a kept body stands and falls with. `mandates` is the sum over the user's mandates: it only grows while the
/// memberships stay, and those are covered by `user`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epochs {
    pub user: i64,
    pub catalogue: i64,
    pub mandates: i64,
}

/// An instance that is open to the user.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub mandate_id: MandateId,
    pub mandate_name: String,
    pub mandate_code: String,
    pub feature_code: String,
    pub feature_label: Texts,
    pub icon: String,
    pub tables: Vec<String>,
    pub views: Vec<String>,
    pub instance_id: InstanceId,
    pub instance_label: String,
    pub roles: Vec<HeldRole>,
}

pub(super) struct Found {
    pub epochs: Epochs,
    /// `None` where the epochs are those that the caller named.
    pub rows: Option<Vec<Row>>,
}

/// `None`: sign in first.
pub(super) async fn find(reader: &PgPool, claims: Claims, now: DateTime<Utc>, kept: Option<Epochs>) -> Result<Option<Found>> {
    let row = sqlx::query!(
        r#"with fresh as (
             select ue.epoch as user_epoch, ce.epoch as catalogue_epoch,
                    (select coalesce(sum(me.epoch), 0)::bigint from memberships m join mandate_epochs me on me.mandate_id = m.mandate_id
                     where m.user_id = s.user_id) as mandates_epoch
             from sessions s
             join users u on u.id = s.user_id
             join user_epochs ue on ue.user_id = s.user_id
             cross join catalogue_epoch ce
             where s.id = $1 and s.user_id = $2 and s.revoked_at is null and s.expires_at > $3 and u.enabled and u.erased_at is null)
           select user_epoch as "user_epoch!", catalogue_epoch as "catalogue_epoch!", mandates_epoch as "mandates_epoch!",
             case when user_epoch = $4 and catalogue_epoch = $5 and mandates_epoch = $6 then null
             else (
               select coalesce(jsonb_agg(jsonb_build_object(
                        'mandate_id', d.id, 'mandate_name', d.name, 'mandate_code', d.code,
                        'feature_code', f.code, 'feature_label', f.label, 'icon', f.icon, 'tables', f.tables, 'views', f.views,
                        'instance_id', i.id, 'instance_label', i.label,
                        'roles', (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                                          'tables', role_tables(r.id), 'views', role_view_flags(r.id)) order by r.label_key), '[]')
                                  from access_roles ar
                                  join roles r on r.mandate_id = ar.mandate_id and r.instance_id = ar.instance_id and r.id = ar.role_id
                                  where ar.mandate_id = a.mandate_id and ar.instance_id = a.instance_id and ar.user_id = a.user_id))
                      order by d.name_key, d.id, f.code, i.label_key, i.id), '[]')
               from feature_accesses a
               join memberships m on m.mandate_id = a.mandate_id and m.user_id = a.user_id and m.enabled
               join mandates d on d.id = a.mandate_id and d.enabled and d.deleted_at is null
               join feature_instances i on i.mandate_id = a.mandate_id and i.id = a.instance_id and i.enabled
               join features f on f.code = i.feature_code
               where a.user_id = $2 and a.enabled) end as "rows?: Json<Vec<Row>>"
           from fresh"#,
        claims.session.uuid(),
        claims.user.uuid(),
        now,
        kept.map(|epochs| epochs.user),
        kept.map(|epochs| epochs.catalogue),
        kept.map(|epochs| epochs.mandates),
    )
    .fetch_optional(reader)
    .await?;
    Ok(row.map(|row| Found {
        epochs: Epochs { user: row.user_epoch, catalogue: row.catalogue_epoch, mandates: row.mandates_epoch },
        rows: row.rows.map(|rows| rows.0),
    }))
}
