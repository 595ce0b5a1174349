//! What keys there are, and what each is good for.

use chrono::{DateTime, Utc};

use super::store;
use crate::context::SystemContext;
use crate::kernel::config::TokenAlgorithm;
use crate::kernel::credentials::ring::{Purpose, State};
use crate::kernel::error::Result;

/// A key that signs tokens, or did.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The `kid`.
    pub id: String,
    pub algorithm: TokenAlgorithm,
    pub state: State,
    pub since: DateTime<Utc>,
    pub begins_at: DateTime<Utc>,
}

/// Those that sign tokens, in the order in which they begin.
pub async fn list(system: &SystemContext) -> Result<Vec<Listed>> {
    let mut reading = system.read().await?;
    let kept = store::all(&mut reading, system.system()).await?;
    reading.finish().await?;
    let lives = store::lives(&kept);
    let listed = kept.into_iter().filter_map(|key| {
        let Purpose::Tokens(algorithm) = key.life.purpose else { return None };
        let (state, since) = key.life.state(&lives, system.now());
        Some(Listed { id: key.id, algorithm, state, since, begins_at: key.life.begins_at })
    });
    Ok(listed.collect())
}
