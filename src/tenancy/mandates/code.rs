//! Codes of mandates: each is one's only, and one that is made from a name is the first that is
//! free.

use sqlx::PgConnection;

use crate::context::System;
use crate::kernel::db::AdvisoryLock;
use crate::kernel::error::{Code, Error, Result};

pub(super) fn code_taken() -> Error {
    Error::new(Code::CodeTaken, "Another mandate has this code.")
}

/// The first of `x`, `x-2` … that no mandate has and that nobody else is just about to take. Who is
/// about to take one holds its lock until their transaction ends, and nobody waits for it: many at
/// once are given one number each.
pub(super) async fn free_code(
    connection: &mut PgConnection,
    _: System,
    base: &str,
) -> Result<Option<String>> {
    let code = sqlx::query_scalar!(
        // A look-up a candidate; only the lock of one that looks free is tried (`case` keeps that
        // order).
        r#"with recursive tried (candidate, n, taken) as (
             select $1::text, 1,
                    case when exists (select 1 from mandates
                                      where code_key = $1 and deleted_at is null) then true
                         else not pg_try_advisory_xact_lock($2, hashtext($1)) end
             union all
             select next.candidate, next.n,
                    case when exists (select 1 from mandates
                                      where code_key = next.candidate and deleted_at is null)
                           then true
                         else not pg_try_advisory_xact_lock($2, hashtext(next.candidate)) end
             from tried
             cross join lateral (select $1::text || '-' || (tried.n + 1) as candidate,
                                        tried.n + 1 as n) next
             where tried.taken and tried.n < 10000)
           select candidate as "candidate!" from tried where not taken"#,
        base,
        AdvisoryLock::MandateCode.number()
    );
    Ok(code.fetch_optional(connection).await?)
}
