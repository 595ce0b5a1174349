//! Members of a mandate whom a request names, with what they may do there.

use std::sync::Arc;

use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::access::HeldRole;
use crate::access::tables::{Members, Read};
use crate::context::grant::Grant;
use crate::context::merged_access::MandateAccess;
use crate::context::sealed::Sealed;
use crate::kernel::error::Result;
use crate::kernel::ids::{UserId, uuids};

/// Whom a request names; usernames, and addresses that their owners confirmed, as they are
/// compared.
#[derive(Debug, Default)]
pub struct NamedMembers {
    /// By id, to ask what they may do.
    pub users: Vec<UserId>,
    /// The same by name.
    pub names: Vec<String>,
    /// By name, to know who they are.
    pub owners: Vec<String>,
}

impl NamedMembers {
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.names.is_empty() && self.owners.is_empty()
    }
}

/// A member who was named.
#[derive(Debug, Clone)]
pub struct FoundMember {
    pub user: UserId,
    pub username_key: String,
    /// Where its owner confirmed it, and others here may see it.
    pub address_key: Option<String>,
    /// `None`: something on the way is disabled, or it was not asked about.
    pub access: Option<Arc<MandateAccess>>,
}

impl FoundMember {
    /// Whether this is a name of theirs.
    pub fn is_called(&self, key: &str) -> bool {
        self.username_key == key || self.address_key.as_deref() == Some(key)
    }
}

/// Those of these who are members of the grant's mandate. In one statement: what somebody may do is
/// of the moment at which they are near, or not.
pub async fn members(
    executor: impl PgExecutor<'_>,
    grant: &Grant<Members, Read>,
    named: &NamedMembers,
) -> Result<Vec<Sealed<Members, FoundMember>>> {
    let rows = sqlx::query!(
        r#"with named (id, is_subject) as (
             select unnest($3::uuid[]), true
             union all select id, true from users where username_key = any ($4)
             union all select id, true from users where email_key = any ($4) and email_verified
             union all select id, false from users where username_key = any ($5)
             union all select id, false from users where email_key = any ($5) and email_verified)
           select m.user_id, u.username_key,
                  case when u.email_verified and m.first_used_at is not null
                    then u.email_key end as address_key,
                  (n.is_subject and m.enabled and d.enabled and d.deleted_at is null
                     and u.enabled and u.erased_at is null) as "alive!",
                  case when m.user_id = $2 then 1::smallint
                       when exists (select 1 from group_peers($1, $2) p
                                    where p.user_id = m.user_id)
                         then 2::smallint
                       else 3::smallint end as "needed!",
                  (select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'label', r.label,
                      'protected', r.protected,
                            'tables', role_tables(r.id), 'views', role_view_flags(r.id))
                              order by r.label_key), '[]')
                   from member_roles mr
                   join roles r on r.mandate_id = mr.mandate_id and r.id = mr.role_id
                   where n.is_subject and mr.mandate_id = m.mandate_id
                     and mr.user_id = m.user_id) as "roles!: Json<Vec<HeldRole>>"
           from (select id, bool_or(is_subject) as is_subject from named group by id) n
           join memberships m on m.mandate_id = $1 and m.user_id = n.id
           join mandates d on d.id = m.mandate_id
           join users u on u.id = m.user_id"#,
        grant.mandate_uuid(),
        grant.caller_uuid(),
        &uuids(&named.users),
        &named.names,
        &named.owners,
    )
    .fetch_all(executor)
    .await?;
    let found = rows.into_iter().map(|row| {
        let access = row.alive.then(|| MandateAccess::of(row.roles.0).into());
        let (user, username_key, address_key) =
            (row.user_id.into(), row.username_key, row.address_key);
        grant.seal(row.needed, FoundMember { user, username_key, address_key, access })
    });
    Ok(found.collect())
}
