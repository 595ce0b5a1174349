//! Which seeded accounts anybody could sign in to, since their password is in the source code.

use uuid::Uuid;

use super::PASSWORD;
use super::file::Demo;
use crate::auth::password::Passwords;
use crate::context::{RequestMeta, Services, SystemContext};
use crate::error::Result;

/// The usernames of those that still have the password that they were made with; of a load the first stands for all.
pub async fn accounts(services: &Services) -> Result<Option<String>> {
    let demo: Vec<Uuid> = Demo::read()?.users.iter().map(|user| user.id.uuid()).collect();
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut reading = system.read().await?;
    let found: Vec<(String, Option<String>)> = sqlx::query_as(
        "select username, password_hash from users
         where (id = any($1) or username_key = 'load-0') and enabled and erased_at is null order by username",
    )
    .bind(&demo)
    .fetch_all(&mut *reading)
    .await?;
    reading.finish().await?;
    let passwords = Passwords::new(1, found.len() + 1)?;
    let mut open = Vec::new();
    for (username, hash) in found {
        if hash.is_some() && passwords.verify(PASSWORD.to_owned(), hash).await? {
            open.push(username);
        }
    }
    Ok((!open.is_empty()).then(|| open.join(", ")))
}
