//! The demo: `seeds/demo.toml`, in one transaction. Ids are fixed, and what is there is left alone
//! with everything below it: loading twice gives the same as once, and a mandate that somebody
//! works in is not set back to how it began.

mod copies;
mod features;
mod mandates;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::file::{Demo, PASSWORD, User};
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::{Recorded, RequestMeta, Services, SystemContext};
use crate::kernel::credentials::password::{Passwords, Rules};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::names;

/// What loading the demo did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoLoad {
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
pub async fn apply(services: &Services) -> Result<DemoLoad> {
    let demo = Demo::read()?;
    let hash = Passwords::new(1, 1, Rules::default())?.hash(PASSWORD.to_owned()).await?;
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
        return Ok(DemoLoad::WasThere);
    }
    let event = Event::new(Action::DemoSeeded, ResourceType::Platform, "demo")
        .details(json!({ "made": made }));
    let recorded = audit::record_platform(&mut writing, &system, event).await?;
    writing.commit(recorded).await?;
    Ok(DemoLoad::Loaded)
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
                                first_name, last_name, language, password_hash, is_sys_admin,
                                created_at)
             values ($1, $2, $3, $4, $5, true, $6, $7, $8, $9, $10, $11) on conflict do nothing",
        )
        .bind(user.id.uuid())
        .bind(&user.username)
        .bind(names::key_of_stored(&user.username))
        .bind(&user.email)
        .bind(names::address_key(&user.email))
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
}
