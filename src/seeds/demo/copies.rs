//! Copies of template roles, for the demo's mandates and instances.

use uuid::Uuid;

use super::Seeding;
use crate::kernel::error::Result;
use crate::kernel::ids::{MandateId, RoleId};
use crate::seeds::file::Instance;

impl Seeding<'_> {
    /// Gives a new mandate copies of the mandate templates, or a new instance copies of its
    /// feature's, with permissions.
    pub(super) async fn copy_templates(
        &mut self,
        mandate: MandateId,
        instance: Option<&Instance>,
    ) -> Result<()> {
        let (from, to) = if instance.is_some() {
            ("feature-template", "instance")
        } else {
            ("mandate-template", "mandate")
        };
        let templates: Vec<Uuid> = sqlx::query_scalar(
            "select id from roles where scope = $1
                                  and ($2::text is null or feature_code = $2) order by id",
        )
        .bind(from)
        .bind(instance.map(|instance| &instance.feature))
        .fetch_all(&mut *self.connection)
        .await?;
        // Made here and not by the database, so that they are in order, as all ids are.
        let copies: Vec<Uuid> = templates.iter().map(|_| RoleId::new().uuid()).collect();
        sqlx::query(
            "insert into roles (id, scope, mandate_id, instance_id, feature_code, template_role_id,
                                label, label_key, description, protected, created_at)
             select c.copy, $3, $4, $5, t.feature_code, t.id,
                    t.label, t.label_key, t.description, t.protected, $6
             from unnest($1::uuid[], $2::uuid[]) c (template, copy)
               join roles t on t.id = c.template",
        )
        .bind(&templates)
        .bind(&copies)
        .bind(to)
        .bind(mandate.uuid())
        .bind(instance.map(|instance| instance.id.uuid()))
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        for copying in [COPY_PERMISSIONS, COPY_VIEWS] {
            sqlx::query(copying)
                .bind(&templates)
                .bind(&copies)
                .bind(to)
                .bind(mandate.uuid())
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(())
    }
}

const COPY_PERMISSIONS: &str = "insert into role_permissions
    (role_id, scope, mandate_id, table_name, can_view, read_level, create_level, update_level,
        delete_level)
  select c.copy, $3, $4, p.table_name, p.can_view, p.read_level, p.create_level, p.update_level,
    p.delete_level
  from unnest($1::uuid[], $2::uuid[]) c (template, copy)
    join role_permissions p on p.role_id = c.template";
const COPY_VIEWS: &str = "insert into role_views (role_id, scope, mandate_id, view_name, allowed)
  select c.copy, $3, $4, v.view_name, v.allowed
  from unnest($1::uuid[], $2::uuid[]) c (template, copy)
    join role_views v on v.role_id = c.template";
