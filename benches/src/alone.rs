//! What is measured of the service alone, for people: sign-ins, many members, growth.

use crate::crowd::Crowd;
use crate::growth::Grown;
use crate::overload::Overload;
use crate::report::{MOST_IDLE, MOST_LOADED, target};
use crate::sign_ins::SignIns;
use crate::spread::Spread;

/// Sign-ins when too many come.
pub fn overload(measured: Overload) -> String {
    let Overload { alone, offered, accepted, accepted_p99, refused_p50, .. } = measured;
    let mut text = format!(
        "{offered:.0} sign-ins a second offered where Argon2id alone makes {alone:.1}: \
            {accepted:.1} accepted; refused with 503 after {} ms (p50); answered otherwise: {}\n",
        refused_p50.map_or_else(|| "-".to_owned(), |refused| format!("{refused:.1}")),
        measured.others
    );
    let goodput = accepted / alone;
    target(&mut text, "  accepted to what Argon2id allows", "≥ 0.9", &two(goodput), goodput >= 0.9);
    let times = accepted_p99 / measured.unloaded_p99;
    target(&mut text, "  p99 of those accepted to unloaded", "≤ 10", &two(times), times <= 10.0);
    text
}

/// Access that changes for many at once.
pub fn crowd(crowd: &Crowd) -> String {
    let Crowd { members, round_trips, round_trips_small, changes, .. } = crowd;
    let p99s = crowd.quiet.iter().zip(&crowd.meanwhile);
    let times = Spread::of(p99s.filter_map(|(quiet, changing)| Some(changing.p99? / quiet.p99?)));
    let mut text = format!(
        "access of {members} members changed by {round_trips} round trips, in a small mandate by \
            {round_trips_small}; {changes} changes while somebody of another mandate asked\n",
    );
    let same = round_trips == round_trips_small;
    let trips = round_trips.to_string();
    target(&mut text, "  round trips", &format!("= {round_trips_small}"), &trips, same);
    if let Some(times) = times {
        let met = times.median <= 1.5;
        target(&mut text, "  p99 of others meanwhile to quiet", "≤ 1.5", &times.text(), met);
    }
    text
}

fn two(value: f64) -> String {
    format!("{value:.2}")
}

/// The large load beside the small one.
pub fn growth(grown: &[Grown]) -> String {
    let mut text = format!("{:<68} {:<10} {:<26}\n", "target", "wanted", "measured");
    for Grown { endpoint, sides } in grown {
        let [small, large] = &sides[..] else { continue };
        let rounds = small.rounds.iter().zip(&large.rounds);
        let ratios = rounds.map(|(a, b)| b.measured.per_second / a.measured.per_second);
        if let Some(ratio) = Spread::of(ratios) {
            let what = format!("{endpoint}: {} to {}", large.name, small.name);
            target(&mut text, &what, "≥ 0.9", &ratio.text(), ratio.median >= 0.9);
        }
    }
    text
}

/// Memory before, while and after people sign in.
pub fn sign_ins(measured: &SignIns) -> String {
    let mut text = format!("{}\n", measured.text());
    let mut line = |what: &str, most: f64, value: f64| {
        target(&mut text, what, &format!("≤ {most}"), &format!("{value:.0}"), value <= most);
    };
    line("  resident memory before, MB", MOST_IDLE, measured.before);
    line("  resident memory at most while they sign in, MB", MOST_LOADED, measured.most);
    line("  resident memory 15 s after, MB", MOST_IDLE, measured.after);
    text
}
