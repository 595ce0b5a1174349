//! The demo's features, with their template roles.

use sqlx::types::Json;

use super::Seeding;
use crate::access::Operation;
use crate::kernel::error::Result;
use crate::kernel::ids::RoleId;
use crate::kernel::names;
use crate::seeds::file::{Feature, Template};

impl Seeding<'_> {
    pub(super) async fn feature(&mut self, feature: &Feature) -> Result<()> {
        let made = sqlx::query(
            "insert into features (code, label, icon, tables, views, created_at)
               values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
        )
        .bind(&feature.code)
        .bind(Json(&feature.label))
        .bind(&feature.icon)
        .bind(&feature.tables)
        .bind(&feature.views)
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(());
        }
        self.made.push(format!("feature {}", feature.code));
        for template in &feature.templates {
            self.template(feature, template).await?;
        }
        Ok(())
    }

    async fn template(&mut self, feature: &Feature, template: &Template) -> Result<()> {
        let role = RoleId::new().uuid();
        sqlx::query(
            "insert into roles (id, scope, feature_code, label, label_key, description, created_at)
             values ($1, 'feature-template', $2, $3, $4, $5, $6)",
        )
        .bind(role)
        .bind(&feature.code)
        .bind(&template.label)
        .bind(names::key_of_stored(&template.label))
        .bind(Json(&template.description))
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        for (table, rule) in &template.permissions.tables {
            let [read, create, update, delete] =
                Operation::ALL.map(|operation| rule.level(operation).number());
            sqlx::query(
                "insert into role_permissions (role_id, scope, table_name, can_view, read_level,
                     create_level, update_level, delete_level)
                 values ($1, 'feature-template', $2, $3, $4, $5, $6, $7)",
            )
            .bind(role)
            .bind(table)
            .bind(rule.view)
            .bind(read)
            .bind(create)
            .bind(update)
            .bind(delete)
            .execute(&mut *self.connection)
            .await?;
        }
        for (view, allowed) in &template.permissions.views {
            sqlx::query(
                "insert into role_views (role_id, scope, view_name, allowed)
                           values ($1, 'feature-template', $2, $3)",
            )
            .bind(role)
            .bind(view)
            .bind(allowed)
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(())
    }
}
