//! Whether the service answers as fast when the platform has grown: two services, on a load and on
//! one of a hundred times as many mandates, have their turns at the same requests.

use anyhow::Result;
use serde::Serialize;

use crate::plan::Endpoint;
use crate::scene::{Places, Scene};
use crate::turns::{Side, Target, Turns};

pub const SMALL: &str = "1,000 mandates";
pub const LARGE: &str = "100,000 mandates";
/// The first user has the same in both: five mandates with four instances each.
const GROWN: [&str; 5] = [
    "--mandates=100000",
    "--users=200000",
    "--memberships=600000",
    "--instances=400000",
    "--accesses=600000",
];

/// What a request came to on both.
#[derive(Debug, Serialize)]
pub struct Grown {
    pub endpoint: String,
    pub sides: Vec<Side>,
}

pub async fn measure(turns: Turns<'_>, places: &Places<'_>) -> Result<Vec<Grown>> {
    let mut large = places.effort;
    if large.measures() {
        large.load = &GROWN;
    }
    let large = Places { effort: large, ..*places };
    let (one, other) = (Scene::set(places, 1).await?, Scene::set(&large, 2).await?);
    let small_service = places.serve(&one.plan.database_url).await?;
    let large_service = large.serve(&other.plan.database_url).await?;
    let mut grown = Vec::new();
    for (small, large) in one.plan.endpoints.iter().zip(&other.plan.endpoints) {
        let Endpoint { name, ask, .. } = small;
        if ask.callers.len() > 1 {
            continue;
        }
        let sides = [
            (SMALL, Target::http(&small_service, ask.clone())?),
            (LARGE, Target::http(&large_service, large.ask.clone())?),
        ];
        grown.push(Grown { endpoint: name.clone(), sides: turns.take(name, &sides).await? });
    }
    small_service.stop().await?;
    large_service.stop().await?;
    Ok(grown)
}
