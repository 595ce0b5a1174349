//! Mail that is to be sent, in the database.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::sending::SEND_MAIL;
use super::texts::Kind;
use crate::context::{Actor, System};
use crate::kernel::error::Result;
use crate::kernel::ids::UserId;

/// A mail that is to be sent to somebody who is there, and has an address.
#[derive(Debug)]
pub(super) struct Asked {
    pub kind: String,
    pub username: String,
    pub language: String,
    pub address: String,
    pub created_at: DateTime<Utc>,
}

/// Notes it, and the errand that sends it.
pub(super) async fn ask(
    connection: &mut PgConnection,
    actor: &impl Actor,
    (user, address): (UserId, Option<&str>),
    kind: Kind,
) -> Result<()> {
    sqlx::query!(
        "with mail as (
           insert into mails (id, kind, user_id, address, created_at) values ($1, $2, $3, $4, $5)
             returning id)
         insert into jobs (name, subject, due_at) select $6, id::text, $5 from mail",
        Uuid::now_v7(),
        kind.name(),
        user.uuid(),
        address,
        actor.now(),
        SEND_MAIL.name,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What is to be sent; `None` where there is nobody any more whom it could be told.
pub(super) async fn find(
    connection: &mut PgConnection,
    _: System,
    mail: Uuid,
) -> Result<Option<Asked>> {
    let asked = sqlx::query_as!(
        Asked,
        r#"select m.kind, u.username, u.language, coalesce(m.address, u.email) as "address!",
             m.created_at
           from mails m join users u on u.id = m.user_id
           where m.id = $1 and u.erased_at is null and coalesce(m.address, u.email) is not null"#,
        mail
    );
    Ok(asked.fetch_optional(connection).await?)
}

/// It was sent, or never will be.
pub(super) async fn forget(connection: &mut PgConnection, _: System, mail: Uuid) -> Result<()> {
    sqlx::query!("delete from mails where id = $1", mail).execute(connection).await?;
    Ok(())
}
