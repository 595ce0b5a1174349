//! Which seeded accounts anybody could sign in to, since their password is in the source code.

use uuid::Uuid;

use super::file::Demo;
use super::file::PASSWORD;
use crate::context::{RequestMeta, Services, SystemContext};
use crate::kernel::credentials::password::{Passwords, Rules};
use crate::kernel::error::Result;

/// Of a load's accounts those hashes are tried that most of them have.
const MOST_HASHES_OF_A_LOAD: i64 = 5;

/// The usernames of those that still have the password that they were made with. All of a load
/// share one hash until they sign in to a service whose hashes cost more, and one of those that
/// share one stands for them: verifying each would take minutes.
pub async fn accounts(services: &Services) -> Result<Option<String>> {
    let demo: Vec<Uuid> = Demo::read()?.users.iter().map(|user| user.id.uuid()).collect();
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut reading = system.read().await?;
    let found: Vec<(String, Option<String>)> = sqlx::query_as(
        "with able as (select id, username, username_key, password_hash from users
             where enabled and erased_at is null)
         select username, password_hash from able where id = any($1)
         union all
         (select min(username), password_hash from able where username_key ~ '^load-[0-9]+$'
          group by password_hash order by count(*) desc, password_hash limit $2)
         order by username",
    )
    .bind(&demo)
    .bind(MOST_HASHES_OF_A_LOAD)
    .fetch_all(&mut *reading)
    .await?;
    reading.finish().await?;
    let passwords = Passwords::new(1, found.len() + 1, Rules::default())?;
    let mut open = Vec::new();
    for (username, hash) in found {
        if hash.is_some() && passwords.verify(PASSWORD.to_owned(), hash).await? {
            open.push(username);
        }
    }
    Ok((!open.is_empty()).then(|| open.join(", ")))
}
