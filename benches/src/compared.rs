//! What was compared with others, as tables for people.

use std::fmt::Write as _;

use crate::compare::{CHECK, Compared, DECISION, Described, LIST, LOOKUP, OURS};
use crate::report::target;
use crate::spread::Spread;
use crate::turns::{Round, Side};

/// What the design asks for: ours to theirs, at least so much.
const TARGETS: [(&str, &str, f64); 2] = [(CHECK, "Cerbos", 7.0), (LIST, "svc-infra", 15.0)];
/// Nanoseconds of a decision.
const SLOWEST: f64 = 100.0;

/// All rounds of a side, over all seeds.
struct Gathered<'a> {
    seeds: &'a [Compared],
    name: &'static str,
}

/// The tables, and what is made of the targets.
pub fn text(seeds: &[Compared]) -> String {
    let mut text = String::new();
    for name in [DECISION, CHECK, LIST] {
        Gathered { seeds, name }.table(&mut text);
    }
    for missing in seeds.iter().flat_map(|seed| &seed.missing) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{} was left out: {}", missing.name, missing.why);
    }
    targets(&mut text, seeds);
    text
}

fn targets(text: &mut String, seeds: &[Compared]) {
    for (name, peer, least) in TARGETS {
        if let Some(ratio) = (Gathered { seeds, name }).ratio(peer) {
            let (what, wanted) = (format!("{name}: service to {peer}"), format!("≥ {least}"));
            target(text, &what, &wanted, &ratio.text(), ratio.median >= least);
        }
    }
    if let Some(spread) =
        (Gathered { seeds, name: DECISION }).of(OURS, |round| Some(nanoseconds(round)))
    {
        let what = format!("{DECISION}, ns");
        let met = spread.median < SLOWEST;
        target(text, &what, &format!("< {SLOWEST}"), &spread.text(), met);
    }
}

fn nanoseconds(round: &Round) -> f64 {
    1e9 / round.measured.per_second
}

impl<'a> Gathered<'a> {
    fn table(&self, text: &mut String) {
        let Some(first) = self.comparisons().next() else { return };
        let in_process = self.name == DECISION;
        let unit = if in_process { "ns a decision" } else { "p50 / p95 / p99 ms" };
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "\n{}\n  {:<30} {:<32} {:<30} {:>8} {:>8} {:>7}  differs",
            self.name, "", "service to it", unit, "cpu µs", "db µs", "MB"
        );
        for Side { name, .. } in first {
            let peer = self.seeds[0].peers.iter().find(|peer| peer.name == *name);
            let ratio = if *name == OURS { None } else { self.ratio(name) };
            let micros = |pick: fn(&Round) -> f64| {
                let spread = self.of(name, |round| Some(pick(round) * 1e6));
                spread.map_or_else(String::new, |spread| format!("{:.1}", spread.median))
            };
            let _ = writeln!(
                text,
                "  {:<30} {:<32} {:<30} {:>8} {:>8} {:>7}  {}",
                titled(name, peer),
                ratio.map(Spread::text).unwrap_or_default(),
                if in_process { self.speed(name) } else { self.latencies(name) },
                micros(|round| round.handler_cpu),
                if in_process { String::new() } else { micros(|round| round.database_cpu) },
                peer.and_then(|peer| peer.held)
                    .map_or_else(String::new, |held| format!("{:.0}", held.resident)),
                peer.map_or("", |peer| peer.differs),
            );
        }
    }

    fn speed(&self, side: &str) -> String {
        self.of(side, |round| Some(nanoseconds(round))).map(Spread::text).unwrap_or_default()
    }

    fn latencies(&self, side: &str) -> String {
        let pick = |pick: fn(&Round) -> Option<f64>| {
            let spread = self.of(side, pick);
            spread.map_or_else(String::new, |spread| format!("{:.2}", spread.median / 1e3))
        };
        let [p50, p95, p99] = [
            pick(|round| round.measured.p50),
            pick(|round| round.measured.p95),
            pick(|round| round.measured.p99),
        ];
        format!("{p50} / {p95} / {p99}")
    }

    fn comparisons(&self) -> impl Iterator<Item = &'a [Side]> {
        let all = self.seeds.iter().flat_map(|seed| &seed.comparisons);
        all.filter(|comparison| comparison.name == self.name)
            .map(|comparison| &comparison.sides[..])
    }

    fn of(&self, side: &str, value: impl Fn(&Round) -> Option<f64>) -> Option<Spread> {
        let sides = self.comparisons().flatten().filter(|found| found.name == side);
        Spread::of(sides.flat_map(|side| &side.rounds).filter_map(value))
    }

    /// Ours to theirs, round by round: neighbours in time had the same disturbance.
    fn ratio(&self, other: &str) -> Option<Spread> {
        let pairs = self.comparisons().filter_map(|sides| {
            let side = |name| sides.iter().find(|side| side.name == name);
            Some((side(OURS)?, side(other)?))
        });
        Spread::of(pairs.flat_map(|(ours, theirs)| {
            let rounds = ours.rounds.iter().zip(&theirs.rounds);
            rounds.map(|(a, b)| a.measured.per_second / b.measured.per_second)
        }))
    }
}

fn titled(name: &str, peer: Option<&Described>) -> String {
    match peer {
        Some(peer) => format!("{name} {}", peer.version),
        None if name == LOOKUP || name == OURS => name.to_owned(),
        None => format!("{name} (unknown version)"),
    }
}
