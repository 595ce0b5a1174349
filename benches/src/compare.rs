//! The service beside others that answer the same question, or the same list; and its decision
//! beside those of libraries, in process.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::children::{Memory, Serving, clean};
use crate::in_process::{self, Deciding};
use crate::peers::{Missing, Peers};
use crate::plan::Ask;
use crate::question::{Model, hash_lookup};
use crate::scene::{Places, Scene};
use crate::turns::{Side, Target, Turns};

/// Ours among the sides.
pub const OURS: &str = "service";
pub const LOOKUP: &str = "a lookup in a hash map";

/// What is compared, by name.
pub const DECISION: &str = "decision in process";
pub const CHECK: &str = "access check";
pub const LIST: &str = "list of 50 with count";

/// Sides that do the same.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub seed: u64,
    pub name: &'static str,
    pub sides: Vec<Side>,
}

/// Everything that was compared with others.
#[derive(Debug, Default, Serialize)]
pub struct Compared {
    pub comparisons: Vec<Comparison>,
    pub peers: Vec<Described>,
    pub missing: Vec<Missing>,
}

/// Who a side was.
#[derive(Debug, Serialize)]
pub struct Described {
    pub name: &'static str,
    pub version: String,
    pub differs: &'static str,
    /// What a server's processes held.
    pub held: Option<Memory>,
}

pub async fn all(
    seed: u64,
    turns: Turns<'_>,
    places: &Places<'_>,
    scene: &Scene,
    service: &Serving,
) -> Result<Compared> {
    let model = places.site.folder.join("model.json");
    std::fs::write(&model, serde_json::to_vec(&scene.asking.model)?)?;
    let (ours, lookup) = (own(places, &model, "ours").await?, own(places, &model, "lookup").await?);
    let peers = match places.peers {
        Some(folder) => Peers::start(places, folder, seed, &model).await,
        None => Peers::default(),
    };
    let mut compared = Compared { missing: peers.missing.clone(), ..Compared::default() };
    let deciding = peers.in_process.iter().map(|peer| (peer.peer.name, &peer.by));
    let deciding = [(OURS, &ours), (LOOKUP, &lookup)].into_iter().chain(deciding);
    let deciding: Vec<_> = deciding.map(|(name, by)| (name, Target::Deciding(by))).collect();
    let mut comparisons = vec![(DECISION, deciding)];
    if !peers.servers.is_empty() {
        let own = |name| scene.plan.endpoints.iter().find(|endpoint| endpoint.name == name);
        for (name, endpoint) in [(CHECK, "check-1"), (LIST, "members-50")] {
            let own = own(endpoint).context("an endpoint is not measured")?;
            comparisons.push((name, servers(name, service, own.ask.clone(), &peers)?));
        }
    }
    for (name, targets) in comparisons {
        let sides = turns.take(name, &targets).await?;
        compared.comparisons.push(Comparison { seed, name, sides });
    }
    compared.peers = described(peers)?;
    Ok(compared)
}

/// Those who have it, ours first.
fn servers(
    name: &str,
    service: &Serving,
    ask: Ask,
    peers: &Peers,
) -> Result<Vec<(&'static str, Target<'static>)>> {
    let mut sides = vec![(OURS, Target::http(service, ask)?)];
    for peer in &peers.servers {
        let ask = if name == CHECK { Some(&peer.by.check) } else { peer.by.list.as_ref() };
        if let Some(ask) = ask {
            sides.push((peer.peer.name, Target::http(&peer.by.serving, ask.clone())?));
        }
    }
    Ok(sides)
}

fn described(peers: Peers) -> Result<Vec<Described>> {
    let mut described = Vec::new();
    for peer in peers.servers {
        let (name, differs) = (peer.peer.name, peer.peer.differs);
        let held = Some(peer.by.serving.memory_of_all()?);
        described.push(Described { name, version: peer.version, differs, held });
    }
    for peer in peers.in_process {
        let (name, differs) = (peer.peer.name, peer.peer.differs);
        described.push(Described { name, version: peer.version, differs, held: None });
    }
    Ok(described)
}

/// This program, deciding.
async fn own(places: &Places<'_>, model: &Path, how: &str) -> Result<Deciding> {
    let mut command = clean(&std::env::current_exe()?);
    command.arg("decide").arg(how).arg(model);
    Ok(Deciding::start(places.site, command).await?.1)
}

/// Decides one question after the other, as the service does or by a lookup: the least that a
/// decision can be.
pub fn decide(how: &str, model: &Path) -> Result<()> {
    let model: Model = serde_json::from_slice(&std::fs::read(model)?)?;
    let (decide, lookup) = (model.decider(), hash_lookup(&model));
    let count = u64::try_from(model.questions.len())?;
    let question = |number: u64| &model.questions[usize::try_from(number % count).unwrap_or(0)];
    let alike = |question| decide(question) == lookup(question);
    anyhow::ensure!(model.questions.iter().all(alike), "the two decide otherwise");
    if how == "ours" {
        in_process::serve("", |number| decide(question(number)))
    } else {
        in_process::serve("", |number| lookup(question(number)))
    }
}
