//! The roles whose rules somebody may be told. Whoever may read a member is told what they may do,
//! but from which roles only where they may read those. One's own roles everybody is told.

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::access::HeldRole;
use crate::access::tables::{InstanceRoles, Read, Roles};
use crate::context::{Grant, InstanceContext, MandateContext};
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

/// Which roles the caller may be told, in a mandate or in one of its instances, of what somebody
/// holds there.
#[derive(Debug)]
pub struct Readable {
    /// Those that the caller may read, whoever holds them.
    pub roles: Vec<HeldRole>,
    /// The caller is told about themselves.
    own: bool,
}

impl Readable {
    /// Whether the caller may be told that the person holds this role.
    #[must_use]
    pub fn tells(&self, role: &HeldRole) -> bool {
        self.own || self.roles.iter().any(|readable| readable.id == role.id)
    }

    /// Of the mandate's own roles.
    pub async fn in_mandate(context: &MandateContext, person: UserId) -> Result<Self> {
        let own = context.caller().user() == person;
        let Ok(grant) = context.grant::<Roles, Read>() else {
            return Ok(Self { roles: Vec::new(), own });
        };
        let mut reading = context.read().await?;
        let roles = mandate_roles(&mut reading, &grant).await?;
        reading.finish().await?;
        Ok(Self { roles, own })
    }

    /// Of the roles of an instance.
    pub async fn in_instance(context: &InstanceContext, person: UserId) -> Result<Self> {
        let own = context.mandate().caller().user() == person;
        let Ok(grant) = context.grant_through_level::<InstanceRoles, Read>() else {
            return Ok(Self { roles: Vec::new(), own });
        };
        let mut reading = context.read().await?;
        let roles = instance_roles(&mut reading, &grant).await?;
        reading.finish().await?;
        Ok(Self { roles, own })
    }
}

/// The mandate's own roles that the grant reaches.
async fn mandate_roles(
    connection: &mut PgConnection,
    grant: &Grant<Roles, Read>,
) -> Result<Vec<HeldRole>> {
    let rows = sqlx::query_scalar!(
        r#"select jsonb_build_object(
                    'id', r.id, 'label', r.label, 'protected', r.protected,
                    'tables', role_tables(r.id),
                    'views', role_view_flags(r.id)) as "role!: Json<HeldRole>"
           from roles r
           where r.mandate_id = $1 and r.scope = 'mandate'
             and ($2 = 3 or r.id in (select h.role_id from member_roles h where h.mandate_id = $1
                   and (h.user_id = $3 or ($2 = 2 and h.user_id in (select p.user_id
                       from group_peers($1, $3) p)))))
           order by r.label_key"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
    );
    Ok(rows.fetch_all(connection).await?.into_iter().map(|Json(role)| role).collect())
}

/// The instance's roles that the grant reaches.
async fn instance_roles(
    connection: &mut PgConnection,
    grant: &Grant<InstanceRoles, Read>,
) -> Result<Vec<HeldRole>> {
    let rows = sqlx::query_scalar!(
        r#"select jsonb_build_object(
                    'id', r.id, 'label', r.label, 'protected', r.protected,
                    'tables', role_tables(r.id),
                    'views', role_view_flags(r.id)) as "role!: Json<HeldRole>"
           from roles r
           where r.mandate_id = $1 and r.instance_id = $4 and r.scope = 'instance'
             and ($2 = 3 or r.id in (select h.role_id from access_roles h where h.mandate_id = $1
                 and h.instance_id = $4
                   and (h.user_id = $3 or ($2 = 2 and h.user_id in (select p.user_id
                       from group_peers($1, $3) p)))))
           order by r.label_key"#,
        grant.mandate_uuid(),
        i32::from(grant.level_number()),
        grant.caller_uuid(),
        grant.instance_uuid(),
    );
    Ok(rows.fetch_all(connection).await?.into_iter().map(|Json(role)| role).collect())
}
