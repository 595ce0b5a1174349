//! How long the gates search at random. `cargo test` plays a share of each search, so that it is
//! over in minutes; `GATES=full cargo test`, which is what `.ci/run` does, plays as many rounds as
//! the claims are about and counts what came of them. Whatever is asserted of a round is asserted
//! in both.

/// One round in so many is played unless all are asked for.
const SHARE: u64 = 10;

/// How many of so many rounds to play.
pub fn rounds(full: u64) -> u64 {
    if is_full() { full } else { full.div_ceil(SHARE) }
}

/// Whether all rounds are played, so that counts of what came of them say something.
#[expect(
    clippy::disallowed_methods,
    reason = "not a setting of the service: how long its tests may take"
)]
pub fn is_full() -> bool {
    match std::env::var("GATES").as_deref() {
        Ok("full") => true,
        Ok(other) => panic!("GATES is `{other}`; it is `full`, or left out"),
        Err(_) => false,
    }
}

/// A number from the environment: which rounds to repeat.
#[expect(clippy::disallowed_methods, reason = "not a setting of the service: which rounds to play")]
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
