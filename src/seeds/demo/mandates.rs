//! The demo's mandates, with their members, instances and admissions.

use super::Seeding;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{GroupId, MandateId, MembershipId};
use crate::kernel::names;
use crate::seeds::file::{DemoHolder, Instance, Mandate};

impl Seeding<'_> {
    pub(super) async fn mandate(&mut self, mandate: &Mandate) -> Result<()> {
        let made = sqlx::query(
            "insert into mandates (id, name, name_key, code, code_key, language, created_at,
                 updated_at)
             values ($1, $2, $3, $4, $4, $5, $6, $6) on conflict do nothing",
        )
        .bind(mandate.id.uuid())
        .bind(&mandate.name)
        .bind(names::key_of_stored(&mandate.name))
        .bind(&mandate.code)
        .bind(&mandate.language)
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        if made.rows_affected() == 0 {
            return self.require_mandate(mandate).await;
        }
        self.made.push(format!("mandate {}", mandate.id));
        sqlx::query(
            "insert into groups (id, mandate_id, name, name_key, auto_join, created_at)
               values ($1, $2, 'everyone', 'everyone', true, $3)",
        )
        .bind(GroupId::new().uuid())
        .bind(mandate.id.uuid())
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        self.copy_templates(mandate.id, None).await?;
        for member in &mandate.members {
            self.member(mandate.id, member).await?;
        }
        for instance in &mandate.instances {
            self.instance(mandate.id, instance).await?;
        }
        Ok(())
    }

    async fn require_mandate(&mut self, mandate: &Mandate) -> Result<()> {
        let there: bool =
            sqlx::query_scalar("select exists (select 1 from mandates where id = $1)")
                .bind(mandate.id.uuid())
                .fetch_one(&mut *self.connection)
                .await?;
        let taken = || {
            Error::new(
                Code::CodeTaken,
                format!("the code `{}` belongs to another mandate", mandate.code),
            )
        };
        if there { Ok(()) } else { Err(taken()) }
    }

    async fn member(&mut self, mandate: MandateId, member: &DemoHolder) -> Result<()> {
        let user = self.demo.user(&member.username)?;
        sqlx::query(
            "insert into memberships (id, mandate_id, user_id, created_at) values ($1, $2, $3, $4)",
        )
        .bind(MembershipId::new().uuid())
        .bind(mandate.uuid())
        .bind(user)
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        sqlx::query(
            "insert into group_members (mandate_id, group_id, user_id)
             select mandate_id, id, $2 from groups where mandate_id = $1 and auto_join",
        )
        .bind(mandate.uuid())
        .bind(user)
        .execute(&mut *self.connection)
        .await?;
        let given = sqlx::query(
            "insert into member_roles (mandate_id, user_id, role_id)
             select mandate_id, $2, id from roles where mandate_id = $1 and scope = 'mandate'
               and label_key = any($3)",
        )
        .bind(mandate.uuid())
        .bind(user)
        .bind(keys(&member.roles))
        .execute(&mut *self.connection)
        .await?;
        all_given(member, given.rows_affected())
    }

    async fn instance(&mut self, mandate: MandateId, instance: &Instance) -> Result<()> {
        sqlx::query(
            "insert into feature_instances (id, mandate_id, feature_code, label, label_key,
                 created_at) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(instance.id.uuid())
        .bind(mandate.uuid())
        .bind(&instance.feature)
        .bind(&instance.label)
        .bind(names::key_of_stored(&instance.label))
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        self.copy_templates(mandate, Some(instance)).await?;
        for access in &instance.accesses {
            self.access(mandate, instance, access).await?;
        }
        Ok(())
    }

    async fn access(
        &mut self,
        mandate: MandateId,
        instance: &Instance,
        access: &DemoHolder,
    ) -> Result<()> {
        let user = self.demo.user(&access.username)?;
        sqlx::query(
            "insert into feature_accesses (mandate_id, instance_id, user_id, created_at)
                       values ($1, $2, $3, $4)",
        )
        .bind(mandate.uuid())
        .bind(instance.id.uuid())
        .bind(user)
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        let given = sqlx::query(
            "insert into access_roles (mandate_id, instance_id, user_id, role_id)
             select mandate_id, instance_id, $3, id from roles
             where mandate_id = $1 and instance_id = $2 and scope = 'instance'
               and label_key = any($4)",
        )
        .bind(mandate.uuid())
        .bind(instance.id.uuid())
        .bind(user)
        .bind(keys(&access.roles))
        .execute(&mut *self.connection)
        .await?;
        all_given(access, given.rows_affected())
    }
}

fn keys(labels: &[String]) -> Vec<String> {
    labels.iter().map(|label| names::key_of_stored(label)).collect()
}

/// A label that no role has would otherwise go unnoticed.
fn all_given(holder: &DemoHolder, given: u64) -> Result<()> {
    if u64::try_from(holder.roles.len()) == Ok(given) {
        return Ok(());
    }
    let detail = format!(
        "the demo gives `{}` the roles {}, not all of which the templates have",
        holder.username,
        holder.roles.join(", ")
    );
    Err(Error::new(Code::ValidationFailed, detail))
}
