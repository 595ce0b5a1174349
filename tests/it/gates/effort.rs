//! How long the gates search at random. `cargo test` plays a share of each search, so that it is
//! over in minutes; `GATES=full cargo test`, which is what `.ci/run` does, plays as many rounds as
//! the claims are about and counts what came of them. Whatever is asserted of a round is asserted
//! in both. `GATES=long` is for claims that take longer than anybody wants to wait for a change:
//! no gate runs it, and whoever does plays it on the gates concerned.

/// One round in so many is played unless all are asked for.
const SHARE: u64 = 10;

/// How many of so many rounds to play.
pub fn rounds(full: u64) -> u64 {
    if is_full() { full } else { full.div_ceil(SHARE) }
}

/// The same where there is a longer search too.
pub fn rounds_or_long(full: u64, long: u64) -> u64 {
    or_long(rounds(full), long)
}

/// What the longer search does otherwise.
pub fn or_long<T>(usual: T, long: T) -> T {
    if effort().as_deref() == Some("long") { long } else { usual }
}

/// Whether all rounds are played, so that counts of what came of them say something.
pub fn is_full() -> bool {
    effort().is_some()
}

#[expect(
    clippy::disallowed_methods,
    reason = "not a setting of the service: how long its tests may take"
)]
fn effort() -> Option<String> {
    let effort = std::env::var("GATES").ok()?;
    assert!(["full", "long"].contains(&&*effort), "GATES is `{effort}`; it is `full` or `long`");
    Some(effort)
}

/// A number from the environment: which rounds to repeat.
#[expect(clippy::disallowed_methods, reason = "not a setting of the service: which rounds to play")]
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
