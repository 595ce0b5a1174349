//! How somebody stands in a mandate, or in one of its instances, whatever of it is disabled: asked
//! where they are refused, so that it can be said what would let them in.

use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::access::HeldRole;
use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// What is disabled or missing on the way, and what is held there all the same.
#[derive(Debug, Clone)]
pub struct Standing {
    /// In the order in which they have to be opened.
    pub closed: Vec<Closed>,
    /// Roles of the place, whether they count at present or not.
    pub held: Vec<HeldRole>,
}

/// Something on the way that is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    Account,
    Mandate,
    /// There is no membership.
    NoMember,
    Membership,
    Instance,
    /// There is no admission.
    NotAdmitted,
    Admission,
}

/// In one statement. Whoever calls knows that the mandate exists, and the instance where one is
/// named.
pub(super) async fn standing(
    executor: impl PgExecutor<'_>,
    user: UserId,
    mandate: MandateId,
    instance: Option<InstanceId>,
) -> Result<Standing> {
    let row = sqlx::query!(
        r#"select (u.enabled and u.erased_at is null) as "account!",
             (d.enabled and d.deleted_at is null) as "mandate!",
                  m.enabled as "membership?", i.enabled as "instance?", a.enabled as "admission?",
                  (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                      'protected', r.protected,
                            'tables', role_tables(r.id), 'views', role_view_flags(r.id))
                              order by r.label_key), '[]')
                   from roles r
                   where r.mandate_id = d.id
                     and r.id in (select mr.role_id from member_roles mr where $3::uuid is null
                         and mr.mandate_id = d.id and mr.user_id = u.id
                                  union all
                                  select ar.role_id from access_roles ar
                                  where ar.mandate_id = d.id and ar.instance_id = $3
                                    and ar.user_id = u.id)) as "held!: Json<Vec<HeldRole>>"
           from users u
           join mandates d on d.id = $2
           left join memberships m on m.mandate_id = d.id and m.user_id = u.id
           left join feature_instances i on i.mandate_id = d.id and i.id = $3
           left join feature_accesses a on a.mandate_id = d.id and a.instance_id = $3
             and a.user_id = u.id
           where u.id = $1"#,
        user.uuid(),
        mandate.uuid(),
        instance.map(InstanceId::uuid),
    )
    .fetch_one(executor)
    .await?;
    let named = instance.is_some();
    let closed = [
        (!row.account, Closed::Account),
        (!row.mandate, Closed::Mandate),
        (row.membership.is_none(), Closed::NoMember),
        (row.membership == Some(false), Closed::Membership),
        (named && row.instance != Some(true), Closed::Instance),
        (named && row.admission.is_none(), Closed::NotAdmitted),
        (named && row.admission == Some(false), Closed::Admission),
    ];
    let closed =
        closed.into_iter().filter_map(|(is_closed, what)| is_closed.then_some(what)).collect();
    Ok(Standing { closed, held: row.held.0 })
}
