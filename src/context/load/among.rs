//! Who of many people shares something with somebody.

use std::collections::BTreeSet;

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::kernel::error::Result;
use crate::kernel::ids::{InstanceId, MandateId, UserId};

/// Who of these users shares a group of the mandate with a member.
pub async fn peers_among(
    executor: impl PgExecutor<'_>,
    mandate: MandateId,
    member: UserId,
    users: &[Uuid],
) -> Result<BTreeSet<UserId>> {
    let peers = sqlx::query_scalar!(
        r#"select distinct g.user_id as "user_id!" from group_peers($1, $2) g
             where g.user_id = any ($3)"#,
        mandate.uuid(),
        member.uuid(),
        users
    );
    Ok(peers.fetch_all(executor).await?.into_iter().map(UserId::from).collect())
}

/// Who of these users is admitted to an instance, enabled or not.
pub async fn admitted_among(
    executor: impl PgExecutor<'_>,
    mandate: MandateId,
    instance: InstanceId,
    users: &[Uuid],
) -> Result<Vec<UserId>> {
    let admitted = sqlx::query_scalar!(
        "select user_id from feature_accesses where mandate_id = $1 and instance_id = $2
           and user_id = any ($3)",
        mandate.uuid(),
        instance.uuid(),
        users
    );
    Ok(admitted.fetch_all(executor).await?.into_iter().map(UserId::from).collect())
}
