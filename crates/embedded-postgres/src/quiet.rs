//! Whether a server that is stopping gets anywhere. It writes, or waits for the disk, until it is
//! done; one of which every process sleeps, look after look, waits for something that will not
//! come.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// So long nobody sleeps who has something to do: each look is at most 50 ms after the last.
pub(crate) const QUIET: Duration = Duration::from_millis(500);

/// Since when nothing was seen at work.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Option<Instant>);

impl Quiet {
    /// Looks once more, and tells for how long it has been quiet. Where nothing can be seen, it
    /// never is.
    pub fn look(&mut self, workers: Option<&BTreeSet<i32>>) -> Duration {
        let at_work = workers.is_none_or(|workers| {
            workers.is_empty() || workers.iter().any(|pid| is_at_work(Path::new("/proc"), *pid))
        });
        if at_work {
            self.0 = None;
            return Duration::ZERO;
        }
        self.0.get_or_insert_with(Instant::now).elapsed()
    }
}

/// Running, or waiting for the disk. One that has just ended counts: that is progress too.
fn is_at_work(proc: &Path, pid: i32) -> bool {
    let stat = fs::read_to_string(proc.join(pid.to_string()).join("stat")).unwrap_or_default();
    // The name in parentheses may hold anything.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('S' | 'T' | 't' | 'I'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sleeps_is_not_at_work() {
        let proc = tempfile::tempdir().unwrap();
        let states =
            [(1, "R", true), (2, "D", true), (3, "S", false), (4, "T", false), (5, "Z", true)];
        for (pid, state, _) in states {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("stat"), format!("{pid} (a) S (b) {state} 0 0")).unwrap();
        }
        for (pid, state, expected) in states {
            assert_eq!(is_at_work(proc.path(), pid), expected, "{state}");
        }
        assert!(is_at_work(proc.path(), 99), "it has ended");
    }

    #[test]
    fn what_cannot_be_seen_is_never_quiet() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.look(None), Duration::ZERO);
        assert_eq!(quiet.look(Some(&BTreeSet::new())), Duration::ZERO);
    }
}
