//! What was measured, as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::alone;
use crate::compare::Compared;
use crate::compared;
use crate::cpu;
use crate::crowd::Crowd;
use crate::effort::{Effort, Turn};
use crate::load::precise;
use crate::measure::{Held, Outcome};
use crate::overload::Overload;
use crate::sign_ins::SignIns;
use crate::spread::Spread;
use crate::start::Starts;
use crate::turns::{Round, Side};

/// What the design asks for: of an endpoint, one side to another, at least so much.
const TARGETS: [(&str, &str, &str, f64); 6] = [
    ("features-my-304", "service", "bare", 0.65),
    ("features-my-200", "service", "bare", 0.55),
    ("access-me", "service", "bare", 0.6),
    ("check-1", "service", "bare", 0.5),
    ("members-50", "service", "bare + sqlx, transaction only", 0.8),
    ("members-50", "pgbench", "pgbench, no walls", 0.9),
];
/// Questions a second, a hundred in a call to one in a call, at least so much.
const HUNDRED: f64 = 20.0;
pub const TRIED: &str = "A short run: everything works. Its figures mean nothing.\n";
pub const MOST_IDLE: f64 = 60.0;
pub const MOST_LOADED: f64 = 150.0;
const LATEST_FIRST_START: f64 = 3.0;
const LATEST_START: f64 = 0.5;

/// Everything of a run.
pub struct Report {
    pub effort: Effort,
    pub conditions: Conditions,
    pub starts: Starts,
    pub sign_ins: SignIns,
    pub overload: Overload,
    pub crowd: Crowd,
    pub outcomes: Vec<Outcome>,
    pub memory: Vec<Held>,
    /// Seed by seed.
    pub compared: Vec<Compared>,
}

/// On what it was measured, and what else ran there.
#[derive(Debug, Serialize)]
pub struct Conditions {
    pub cores: usize,
    /// Cores that processes of others kept busy, on average over the run.
    pub busy_with_others: f64,
    #[serde(skip)]
    began: Instant,
    #[serde(skip)]
    before: (f64, f64),
}

impl Conditions {
    pub fn note() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cores,
            busy_with_others: 0.0,
            began: Instant::now(),
            before: (cpu::of_machine(), cpu::of_ours()),
        }
    }

    /// To be called when everything that was started has ended.
    pub fn finish(&mut self) {
        let (machine, ours) = (cpu::of_machine() - self.before.0, cpu::of_ours() - self.before.1);
        self.busy_with_others = (machine - ours).max(0.0) / self.began.elapsed().as_secs_f64();
    }
}

impl Report {
    /// One side to another, round by round over all seeds: neighbours in time had the same
    /// disturbance.
    fn ratio(&self, endpoint: &str, side: &str, other: &str) -> Option<Spread> {
        let pairs = self
            .of(endpoint)
            .filter_map(|outcome| Some((outcome.side(side)?, outcome.side(other)?)));
        Spread::of(pairs.flat_map(|(side, other)| {
            side.rounds
                .iter()
                .zip(&other.rounds)
                .map(|(a, b)| a.measured.per_second / b.measured.per_second)
        }))
    }

    /// Questions a second when a hundred are asked in a call, to when one is. These two have their
    /// turns after each other, so that medians are compared.
    fn hundred(&self) -> Option<Spread> {
        let per_second =
            |endpoint| self.spread(endpoint, "service", |round| Some(round.measured.per_second));
        let (many, one) = (per_second("check-100")?, per_second("check-1")?);
        Some(Spread {
            median: 100.0 * many.median / one.median,
            min: 100.0 * many.min / one.max,
            max: 100.0 * many.max / one.min,
        })
    }

    fn of(&self, endpoint: &str) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |outcome| outcome.endpoint == endpoint)
    }

    fn spread(
        &self,
        endpoint: &str,
        side: &str,
        value: impl Fn(&Round) -> Option<f64>,
    ) -> Option<Spread> {
        Spread::of(
            self.of(endpoint)
                .filter_map(|outcome| outcome.side(side))
                .flat_map(|side| &side.rounds)
                .filter_map(value),
        )
    }

    fn endpoints(&self) -> Vec<&Outcome> {
        let first = self.outcomes.first().map(|outcome| outcome.seed);
        self.outcomes.iter().filter(|outcome| Some(outcome.seed) == first).collect()
    }

    /// The table; what was only tried has none.
    pub fn text(&self) -> String {
        let Turn::Seconds(seconds) = self.effort.turn else { return self.tried() };
        let mut text = String::new();
        for outcome in self.endpoints() {
            self.endpoint(&mut text, outcome);
        }
        self.targets(&mut text);
        text.push_str(&compared::text(&self.compared));
        text.push_str(&alone::sign_ins(&self.sign_ins));
        text.push_str(&alone::overload(self.overload));
        text.push_str(&alone::crowd(&self.crowd));
        let Conditions { cores, busy_with_others, .. } = self.conditions;
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "\n{} rounds of {seconds} s for each side and seed; {cores} cores, of which others \
                kept {busy_with_others:.2} busy.",
            self.effort.rounds
        );
        text
    }

    fn tried(&self) -> String {
        let mut text = String::new();
        let mut tried = |what: &str, sides: &[Side]| {
            let sides = sides.iter().map(|side| {
                let requests = side.rounds.iter().map(|round| round.measured.requests);
                format!("{} {}", side.name, requests.sum::<u64>())
            });
            let sides = sides.collect::<Vec<_>>().join(", ");
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{what}: {sides}: all answered");
        };
        for outcome in &self.outcomes {
            tried(&outcome.endpoint, &outcome.sides);
        }
        for comparison in self.compared.iter().flat_map(|seed| &seed.comparisons) {
            tried(comparison.name, &comparison.sides);
        }
        for missing in self.compared.iter().flat_map(|seed| &seed.missing) {
            let _ = writeln!(text, "{} was left out: {}", missing.name, missing.why);
        }
        text.push_str(TRIED);
        text
    }

    fn endpoint(&self, text: &mut String, outcome: &Outcome) {
        let name = &outcome.endpoint;
        let most = |pick: fn(&Outcome) -> f64| self.of(name).map(pick).fold(0.0, f64::max);
        let (asked, pings) =
            (most(|outcome| outcome.round_trips.asked), most(|outcome| outcome.round_trips.pings));
        let _ = writeln!(
            text,
            "\n{name}: {}, {} with {} bytes, {asked} round trips to the database and {pings} \
                pings",
            outcome.request, outcome.status, outcome.body_bytes
        );
        let _ = writeln!(
            text,
            "  {:<30} {:<24} {:>8} {:>8} {:>8} {:>12} {:>12}",
            "", "service to it", "p50 ms", "p95 ms", "p99 ms", "handler µs", "database µs"
        );
        for side in &outcome.sides {
            let ratio =
                if side.name == "service" { None } else { self.ratio(name, "service", side.name) };
            let milliseconds = |pick: fn(&Round) -> Option<f64>| {
                self.spread(name, side.name, pick)
                    .map_or_else(String::new, |spread| format!("{:.2}", spread.median / 1e3))
            };
            let micros = |pick: fn(&Round) -> f64| {
                self.spread(name, side.name, |round| Some(pick(round)))
                    .map_or(0.0, |spread| spread.median * 1e6)
            };
            let _ = writeln!(
                text,
                "  {:<30} {:<24} {:>8} {:>8} {:>8} {:>12.0} {:>12.0}",
                side.name,
                ratio.map(Spread::text).unwrap_or_default(),
                milliseconds(|round| round.measured.p50),
                milliseconds(|round| round.measured.p95),
                milliseconds(|round| round.measured.p99),
                micros(|round| round.handler_cpu),
                micros(|round| round.database_cpu),
            );
        }
    }

    fn targets(&self, text: &mut String) {
        let _ = writeln!(text, "\n{:<68} {:<10} {:<26}", "target", "wanted", "measured");
        let mut line = |what: String, wanted: String, measured: String, met: bool| {
            target(text, &what, &wanted, &measured, met);
        };
        for (endpoint, side, other, least) in TARGETS {
            if let Some(spread) = self.ratio(endpoint, side, other) {
                line(
                    format!("{endpoint}: {side} to {other}"),
                    format!("≥ {least}"),
                    spread.text(),
                    spread.median >= least,
                );
            }
        }
        if let Some(times) = self.hundred() {
            let what = "questions of check-100 to those of check-1".to_owned();
            line(what, format!("≥ {HUNDRED}"), times.text(), times.median >= HUNDRED);
        }
        let most = |pick: fn(&Held) -> f64| self.memory.iter().map(pick).fold(0.0, f64::max);
        let (idle, loaded) = (most(|held| held.idle.resident), most(|held| held.loaded.most));
        line(
            "resident memory idle, MB".to_owned(),
            format!("≤ {MOST_IDLE}"),
            format!("{idle:.0}"),
            idle <= MOST_IDLE,
        );
        line(
            "resident memory at most under load, MB".to_owned(),
            format!("≤ {MOST_LOADED}"),
            format!("{loaded:.0}"),
            loaded <= MOST_LOADED,
        );
        let first = self.starts.first;
        line(
            "first start until ready, s".to_owned(),
            format!("≤ {LATEST_FIRST_START}"),
            format!("{first:.2}"),
            first <= LATEST_FIRST_START,
        );
        if let Some(later) = Spread::of(self.starts.later.iter().copied()) {
            line(
                "later starts until ready, s".to_owned(),
                format!("≤ {LATEST_START}"),
                later.text(),
                later.median <= LATEST_START,
            );
        }
    }

    /// Everything, with the ratios of each endpoint.
    pub fn json(&self) -> Result<String> {
        let ratios = self.endpoints().into_iter().flat_map(|outcome| {
            let others = outcome.sides.iter().filter(|side| side.name != "service");
            others.map(|side| {
                let ratio = self.ratio(&outcome.endpoint, "service", side.name);
                json!({
                    "endpoint": outcome.endpoint, "of": "service", "to": side.name, "ratio": ratio,
                })
            })
        });
        let document = json!({
            "effort": self.effort, "conditions": self.conditions,
                "ratios": ratios.collect::<Vec<_>>(),
            "requests": self.outcomes.iter().map(Outcome::requests).map(precise).sum::<f64>(),
            "outcomes": self.outcomes, "compared": self.compared,
                "memory": self.memory, "starts": self.starts,
                "signIns": self.sign_ins, "overload": self.overload,
                "crowd": self.crowd,
        });
        Ok(serde_json::to_string_pretty(&document)?)
    }
}

/// What was measured beside what was wanted.
pub fn target(text: &mut String, what: &str, wanted: &str, measured: &str, met: bool) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        text,
        "{what:<68} {wanted:<10} {measured:<26} {}",
        if met { "met" } else { "MISSED" }
    );
}

impl Outcome {
    fn side(&self, name: &str) -> Option<&Side> {
        self.sides.iter().find(|side| side.name == name)
    }
    fn requests(&self) -> u64 {
        self.sides.iter().flat_map(|side| &side.rounds).map(|round| round.measured.requests).sum()
    }
}
