//! Outcomes that are kept in a file, to be read by people when they change.

use std::path::Path;

/// Writes a file of this repository anew, all at once: other tests read it meanwhile.
pub fn rewrite(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// Compares with `<name>.txt` beside this file; `UPDATE_GOLDEN=1` writes it anew.
pub fn compare_golden(name: &str, text: &str) {
    compare_golden_telling(name, text, |_| String::new());
}

/// The same, telling more of each line that is new.
pub fn compare_golden_telling(name: &str, text: &str, more: impl Fn(&str) -> String) {
    let path = format!("{}/tests/it/gates/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        rewrite(path.as_ref(), text);
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let other: Vec<String> = differing(&kept, text, more);
    assert!(
        other.is_empty(),
        "not as {name}.txt has it (UPDATE_GOLDEN=1 writes it anew, for you to read):\n{}",
        other.join("\n")
    );
}

fn differing(kept: &str, found: &str, more: impl Fn(&str) -> String) -> Vec<String> {
    let (before, now): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), found.lines().collect());
    let gone = before.iter().filter(|line| !now.contains(line)).map(|line| format!("- {line}"));
    let new = now
        .iter()
        .filter(|line| !before.contains(line))
        .map(|line| format!("+ {line}{}", more(line)));
    let mut lines: Vec<String> = gone.chain(new).collect();
    if lines.is_empty() && before != now {
        lines.push("the same lines in another order".to_owned());
    }
    lines
}
