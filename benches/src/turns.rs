//! The measuring itself: sides that have their turns one after the other, round after round.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use embedded_postgres::EmbeddedPostgres;
use serde::Serialize;

use crate::children::Serving;
use crate::cpu;
use crate::effort::{Effort, Turn};
use crate::in_process::Deciding;
use crate::load::{self, Measured, Server, Tools, precise};
use crate::plan::Ask;
use crate::replay::PgbenchScript;

#[derive(Debug, Serialize)]
pub struct Side {
    pub name: &'static str,
    pub rounds: Vec<Round>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    #[serde(flatten)]
    pub measured: Measured,
    /// Processor seconds for each request: of the processes that answer, and of PostgreSQL.
    pub handler_cpu: f64,
    pub database_cpu: f64,
}

/// Who answers a side, and how it is asked.
pub enum Target<'a> {
    Http { address: SocketAddr, pid: u32, ask: Ask },
    Pgbench { database: &'a str, script: PgbenchScript, role: &'static str },
    Deciding(&'a Deciding),
}

/// How turns are taken.
#[derive(Clone, Copy)]
pub struct Turns<'a> {
    pub effort: Effort,
    pub tools: &'a Tools,
    pub cluster: &'a EmbeddedPostgres,
}

impl Target<'_> {
    pub fn http(serving: &Serving, ask: Ask) -> Result<Self> {
        let pid = serving.pid().context("it has ended")?;
        Ok(Self::Http { address: serving.address, pid, ask })
    }
}

impl Turns<'_> {
    /// Every side warms up and has its turn in every round.
    pub async fn take(
        &self,
        what: &str,
        targets: &[(&'static str, Target<'_>)],
    ) -> Result<Vec<Side>> {
        let mut sides: Vec<_> =
            targets.iter().map(|(name, _)| Side { name, rounds: Vec::new() }).collect();
        if self.effort.measures() {
            for (_, target) in targets {
                self.once(target, Turn::Seconds(1)).await?;
            }
        }
        for round in 1..=self.effort.rounds {
            eprintln!("{what}: round {round} of {}", self.effort.rounds);
            for ((name, target), side) in targets.iter().zip(&mut sides) {
                let once = self.once(target, self.effort.turn).await;
                side.rounds.push(once.with_context(|| format!("{name}, {what}"))?);
            }
        }
        Ok(sides)
    }

    async fn once(&self, target: &Target<'_>, turn: Turn) -> Result<Round> {
        let postmaster = self.cluster.postmaster_pid();
        let database_before = cpu::of_server(postmaster);
        let (measured, handler) = match target {
            Target::Http { address, pid, ask } => {
                let before = cpu::of_tree(*pid);
                let measured = self.tools.ask(*address, ask, turn).await?;
                (measured, cpu::of_tree(*pid) - before)
            }
            Target::Pgbench { database, script, role } => {
                let server = Server { sockets: self.cluster.socket_directory(), database };
                (load::pgbench(self.tools, &server, script, role, turn).await?, 0.0)
            }
            Target::Deciding(deciding) => {
                let before = cpu::of_tree(deciding.pid());
                let measured = deciding.decide(turn).await?;
                (measured, cpu::of_tree(deciding.pid()) - before)
            }
        };
        anyhow::ensure!(
            measured.errors == 0,
            "{} of {} requests failed",
            measured.errors,
            measured.requests
        );
        let each = precise(measured.requests).max(1.0);
        let database = cpu::of_server(postmaster) - database_before;
        Ok(Round { measured, handler_cpu: handler / each, database_cpu: database / each })
    }
}
