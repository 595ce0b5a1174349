//! The roles whose rules somebody may be told. Whoever may read a member is told what they may do,
//! but from which roles only where they may read those. One's own roles everybody is told.

use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::access::tables::{InstanceRoles, Read, Roles};
use crate::access::{HeldRole, Level};
use crate::context::asking::Asking;
use crate::context::{Grant, InstanceContext, MandateContext};
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::InstanceId;

/// Which roles of a mandate, or of one of its instances, the caller may be told of, whoever holds
/// them.
#[derive(Debug)]
pub enum Readable {
    All,
    These(Arc<Vec<HeldRole>>),
}

impl Readable {
    /// Whether the caller may be told of the role.
    #[must_use]
    pub fn tells(&self, role: &HeldRole) -> bool {
        match self {
            Self::All => true,
            Self::These(roles) => roles.iter().any(|readable| readable.id == role.id),
        }
    }

    /// Of the mandate's own roles.
    pub async fn in_mandate(context: &MandateContext) -> Result<Self> {
        let Ok(grant) = context.grant::<Roles, Read>() else { return Ok(Self::none()) };
        let held = context.access().map(|access| &access.roles[..]);
        if let Some(known) = Self::known(grant.level(), held) {
            return Ok(known);
        }
        let mut reading = context.read().await?;
        let roles = mandate_roles(&mut reading, &grant).await?;
        reading.finish().await?;
        Ok(Self::These(Arc::new(roles)))
    }

    /// Of the roles of an instance.
    pub async fn in_instance(context: &InstanceContext) -> Result<Self> {
        let Ok(grant) = context.grant_through_level::<InstanceRoles, Read>() else {
            return Ok(Self::none());
        };
        let held = context.access().map(|access| &access.roles[..]);
        if let Some(known) = Self::known(grant.level(), held) {
            return Ok(known);
        }
        let mut reading = context.read().await?;
        let roles = instance_roles(&mut reading, &grant).await?;
        reading.finish().await?;
        Ok(Self::These(Arc::new(roles)))
    }

    fn none() -> Self {
        Self::These(Arc::default())
    }

    /// Without a statement: for whoever reads all, or what they hold, as their access tells where
    /// they have any.
    fn known(level: Level, held: Option<&[HeldRole]>) -> Option<Self> {
        match (level, held) {
            (Level::All, _) => Some(Self::All),
            (Level::My, Some(held)) => Some(Self::These(Arc::new(held.to_vec()))),
            _ => None,
        }
    }

    /// The roles themselves, of the mandate or of this instance.
    pub async fn roles(
        &self,
        asking: &Asking,
        instance: Option<InstanceId>,
    ) -> Result<Arc<Vec<HeldRole>>> {
        let all = match (self, instance) {
            (Self::These(roles), _) => return Ok(roles.clone()),
            (Self::All, None) => asking.roles(&asking.context().grant()?).await?,
            (Self::All, Some(instance)) => {
                let context = asking.in_instance(instance).await?;
                asking.instance_roles(&context.grant_through_level()?).await?
            }
        };
        all.ok_or_else(|| Error::internal("all roles are readable, and not all are read"))
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
