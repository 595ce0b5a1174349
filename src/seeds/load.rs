//! The load that benchmarks run against: `seeds/load.sql` with its numbers.

use serde_json::json;

use super::file::PASSWORD;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::{RequestMeta, Services, SystemContext};
use crate::kernel::credentials::password::{Passwords, Rules};
use crate::kernel::error::{Code, Error, Result};

/// How much to make, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub mandates: i64,
    /// At least two.
    pub users: i64,
    pub memberships: i64,
    pub instances: i64,
    pub accesses: i64,
    pub seed: i64,
}

impl Plan {
    /// Refuses what cannot be spread: nobody is a member of a mandate twice.
    fn check(&self) -> Result<()> {
        if self.mandates < 1 || self.users < 2 || self.memberships < 1 {
            return Err(refused("a load has at least one mandate, two users and one membership"));
        }
        // As load.sql spreads them: everybody but `load-0` takes turns.
        let laps = (self.memberships + 98 + self.users) / (self.users - 1);
        if laps > self.mandates {
            return Err(refused(
                "too many memberships for so few users and mandates: each user would be a member \
                    of some mandate twice",
            ));
        }
        Ok(())
    }
}

fn refused(detail: &'static str) -> Error {
    Error::new(Code::ValidationFailed, detail)
}

/// Makes the load, in one transaction. What an equal load made before is left alone.
pub async fn apply(services: &Services, plan: Plan) -> Result<()> {
    plan.check()?;
    let hash = Passwords::new(1, 1, Rules::default())?.hash(PASSWORD.to_owned()).await?;
    let system = SystemContext::unattended(services.clone(), RequestMeta::default());
    let mut writing = system.write().await?;
    let foreign: i64 = sqlx::query_scalar(
        "select count(*) from mandates where code_key not like 'load-' || $1::text || '-%'",
    )
    .bind(plan.seed)
    .fetch_one(&mut *writing)
    .await?;
    if foreign > 0 {
        return Err(refused(
            "the database has mandates that are not of this load: a load goes into an empty \
                database",
        ));
    }
    let templates: i64 =
        sqlx::query_scalar("select count(*) from roles where scope = 'feature-template'")
            .fetch_one(&mut *writing)
            .await?;
    if templates == 0 {
        return Err(refused(
            "no feature has template roles, so that instances would have none: start the service \
                once",
        ));
    }
    sqlx::query(
        "create temporary table load_plan (
           mandates bigint, users bigint, memberships bigint, instances bigint, accesses bigint,
           seed bigint, password_hash text, now timestamptz) on commit drop",
    )
    .execute(&mut *writing)
    .await?;
    sqlx::query("insert into load_plan values ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(plan.mandates)
        .bind(plan.users)
        .bind(plan.memberships)
        .bind(plan.instances)
        .bind(plan.accesses)
        .bind(plan.seed)
        .bind(hash)
        .bind(system.now())
        .execute(&mut *writing)
        .await?;
    sqlx::raw_sql(include_str!("../../seeds/load.sql")).execute(&mut *writing).await?;
    let details = json!({
        "mandates": plan.mandates, "users": plan.users, "instances": plan.instances,
        "seed": plan.seed,
    });
    let recorded = audit::record_platform(
        &mut writing,
        &system,
        Event::new(Action::LoadSeeded, ResourceType::Platform, "load").details(details),
    )
    .await?;
    writing.commit(recorded).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_cannot_be_spread_is_refused() {
        let plan = Plan {
            mandates: 1_000,
            users: 20_000,
            memberships: 60_000,
            instances: 8_000,
            accesses: 120_000,
            seed: 1,
        };
        assert!(plan.check().is_ok());
        assert!(Plan { mandates: 2, ..plan }.check().is_err());
        assert!(Plan { users: 1, ..plan }.check().is_err());
    }
}
