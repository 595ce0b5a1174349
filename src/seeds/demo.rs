//! The demo: `seeds/demo.toml`, in one transaction. Ids are fixed, and what is there is left alone
//! with everything below it: loading twice gives the same as once, and a mandate that somebody
//! works in is not set back to how it began.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::PASSWORD;
use super::file::{Demo, Feature, Holder, Instance, Mandate, Template, User};
use crate::access::Operation;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::{Recorded, RequestMeta, Services, SystemContext};
use crate::kernel::credentials::password::Passwords;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::{GroupId, MandateId, MembershipId, RoleId};
use crate::kernel::names;

/// What loading the demo did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Loaded,
    /// All of it was there.
    WasThere,
}

/// Whether nobody has an account yet.
pub async fn has_no_users(services: &Services) -> Result<bool> {
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut reading = system.read().await?;
    let none: bool = sqlx::query_scalar("select not exists (select 1 from users)")
        .fetch_one(&mut *reading)
        .await?;
    reading.finish().await?;
    Ok(none)
}

/// Whether all people of the demo have their accounts.
pub async fn is_there(services: &Services) -> Result<bool> {
    let ids: Vec<Uuid> = Demo::read()?.users.iter().map(|user| user.id.uuid()).collect();
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut reading = system.read().await?;
    let there: bool = sqlx::query_scalar(
        "select count(*) = cardinality($1) from users where id = any($1)
                              and enabled and erased_at is null",
    )
    .bind(&ids)
    .fetch_one(&mut *reading)
    .await?;
    reading.finish().await?;
    Ok(there)
}

/// Loads what is missing of the demo.
pub async fn apply(services: &Services) -> Result<Outcome> {
    let demo = Demo::read()?;
    let hash = Passwords::new(1, 1)?.hash(PASSWORD.to_owned()).await?;
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut writing = system.write().await?;
    let mut seeding =
        Seeding { demo: &demo, connection: &mut writing, now: system.now(), made: Vec::new() };
    for user in &demo.users {
        seeding.user(user, &hash).await?;
    }
    for feature in &demo.features {
        seeding.feature(feature).await?;
    }
    for mandate in &demo.mandates {
        seeding.mandate(mandate).await?;
    }
    let made = seeding.made;
    if made.is_empty() {
        writing.commit(Recorded::nothing_changed()).await?;
        return Ok(Outcome::WasThere);
    }
    let event = Event::new(Action::DemoSeeded, ResourceType::Platform, "demo")
        .details(json!({ "made": made }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await?;
    Ok(Outcome::Loaded)
}

struct Seeding<'a> {
    demo: &'a Demo,
    connection: &'a mut PgConnection,
    now: DateTime<Utc>,
    /// What was not there before, by its kind and id; names of people stay out of the trail.
    made: Vec<String>,
}

impl Seeding<'_> {
    async fn user(&mut self, user: &User, hash: &str) -> Result<()> {
        let made = sqlx::query(
            "insert into users (id, username, username_key, email, email_key, email_verified,
                 first_name, last_name, language,
                                password_hash, is_sys_admin, created_at)
             values ($1, $2, $3, $4, $5, true, $6, $7, $8, $9, $10, $11) on conflict do nothing",
        )
        .bind(user.id.uuid())
        .bind(&user.username)
        .bind(names::key_of_stored(&user.username))
        .bind(&user.email)
        .bind(names::key_of_stored(&user.email))
        .bind(&user.first_name)
        .bind(&user.last_name)
        .bind(&user.language)
        .bind(hash)
        .bind(user.sys_admin)
        .bind(self.now)
        .execute(&mut *self.connection)
        .await?;
        if made.rows_affected() == 1 {
            self.made.push(format!("user {}", user.id));
            return Ok(());
        }
        // Somebody else's account must not end up as the demo's admin.
        let there: bool = sqlx::query_scalar("select exists (select 1 from users where id = $1)")
            .bind(user.id.uuid())
            .fetch_one(&mut *self.connection)
            .await?;
        let taken = || {
            Error::new(
                Code::UsernameTaken,
                format!(
                    "the username or address of the demo's `{}` belongs to somebody else",
                    user.username
                ),
            )
        };
        if there { Ok(()) } else { Err(taken()) }
    }

    async fn feature(&mut self, feature: &Feature) -> Result<()> {
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

    async fn mandate(&mut self, mandate: &Mandate) -> Result<()> {
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

    async fn member(&mut self, mandate: MandateId, member: &Holder) -> Result<()> {
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
            "insert into group_members (mandate_id, group_id, user_id) select mandate_id,
                       id, $2 from groups where mandate_id = $1 and auto_join",
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
        access: &Holder,
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

    /// Gives a new mandate copies of the mandate templates, or a new instance copies of its
    /// feature's, with permissions.
    async fn copy_templates(
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
                 label, label_key, description,
                                protected, created_at)
             select c.copy, $3, $4, $5, t.feature_code, t.id, t.label, t.label_key, t.description,
               t.protected, $6
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

fn keys(labels: &[String]) -> Vec<String> {
    labels.iter().map(|label| names::key_of_stored(label)).collect()
}

/// A label that no role has would otherwise go unnoticed.
fn all_given(holder: &Holder, given: u64) -> Result<()> {
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
