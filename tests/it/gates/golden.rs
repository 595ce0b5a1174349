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
    compare(name, text, "\n", |_| String::new());
}

/// The same, telling more of each line that is new.
pub fn compare_golden_telling(name: &str, text: &str, more: impl Fn(&str) -> String) {
    compare(name, text, "\n", more);
}

/// The same for what says nothing line by line: paragraphs are told whole.
pub fn compare_golden_paragraphs(name: &str, text: &str) {
    compare(name, text, "\n\n", |_| String::new());
}

fn compare(name: &str, text: &str, between: &str, more: impl Fn(&str) -> String) {
    let path = format!("{}/tests/it/gates/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        rewrite(path.as_ref(), text);
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let [kept, found]: [Vec<&str>; 2] =
        [&kept, text].map(|text| text.trim_end().split(between).collect());
    let other = differing(&kept, &found, more);
    assert!(
        other.is_empty(),
        "not as {name}.txt has it (UPDATE_GOLDEN=1 writes it anew, for you to read):\n{}",
        other.join("\n")
    );
}

fn differing(before: &[&str], now: &[&str], more: impl Fn(&str) -> String) -> Vec<String> {
    let gone = before.iter().filter(|part| !now.contains(part)).map(|part| format!("- {part}"));
    let new = now.iter().filter(|part| !before.contains(part));
    let new = new.map(|part| format!("+ {part}{}", more(part)));
    let mut parts: Vec<String> = gone.chain(new).collect();
    if parts.is_empty() && before != now {
        parts.push("the same lines in another order".to_owned());
    }
    parts
}
