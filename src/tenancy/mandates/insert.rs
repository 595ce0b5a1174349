//! Making a mandate's row, under the code that was given or one that is made from its name.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::code;
use crate::context::System;
use crate::kernel::error::{Error, Result};
use crate::kernel::ids::{GroupId, MandateId};
use crate::kernel::names::{self, Name};

/// A mandate to be made.
#[derive(Debug)]
pub(super) struct NewMandate<'a> {
    pub id: MandateId,
    pub name: &'a Name,
    /// As given, or to be made from the name.
    pub code: Option<&'a str>,
    pub language: &'a str,
    pub now: DateTime<Utc>,
}

/// Makes the mandate's row and its group `everyone`.
pub(super) async fn insert(
    connection: &mut PgConnection,
    system: System,
    mandate: &NewMandate<'_>,
) -> Result<()> {
    match mandate.code {
        Some(code) => {
            if !insert_with_code(connection, system, mandate, code).await? {
                return Err(code::code_taken());
            }
        }
        None => insert_with_generated_code(connection, system, mandate).await?,
    }
    sqlx::query!(
        "insert into groups (id, mandate_id, name, name_key, auto_join, created_at)
           values ($1, $2, 'everyone', 'everyone', true, $3)",
        GroupId::new().uuid(),
        mandate.id.uuid(),
        mandate.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How often the next number is asked for, before chance names the code. A number is lost only to
/// who commits, or gives the code by hand, between the look and the insert.
const TRIES: usize = 5;
/// Leaves room for a suffix of chance within the length of a code.
const ROOM: usize = 48;

/// The name's slug, then `-2` … until one is free; where none is, a suffix of chance.
async fn insert_with_generated_code(
    connection: &mut PgConnection,
    system: System,
    mandate: &NewMandate<'_>,
) -> Result<()> {
    let id = mandate.id.uuid().simple().to_string();
    let base =
        names::slug(mandate.name.as_str()).unwrap_or_else(|| format!("m-{}", &id[id.len() - 8..]));
    for _ in 0..TRIES {
        let Some(code) = code::free_code(connection, system, &base).await? else { break };
        if insert_with_code(connection, system, mandate, &code).await? {
            return Ok(());
        }
    }
    let stem = base.get(..ROOM).unwrap_or(&base).trim_end_matches('-');
    for _ in 0..TRIES {
        let chance = MandateId::new().uuid().simple().to_string();
        if insert_with_code(
            connection,
            system,
            mandate,
            &format!("{stem}-{}", &chance[chance.len() - 12..]),
        )
        .await?
        {
            return Ok(());
        }
    }
    Err(Error::internal("no code of chance was free"))
}

async fn insert_with_code(
    connection: &mut PgConnection,
    _: System,
    mandate: &NewMandate<'_>,
    code: &str,
) -> Result<bool> {
    let made = sqlx::query!(
        "insert into mandates (id, name, name_key, code, code_key, language, created_at, updated_at)
         values ($1, $2, $3, $4, $4, $5, $6, $6)
         on conflict (code_key) where deleted_at is null do nothing",
        mandate.id.uuid(),
        mandate.name.as_str(),
        mandate.name.key(),
        code,
        mandate.language,
        mandate.now,
    )
    .execute(connection)
    .await?;
    Ok(made.rows_affected() == 1)
}
