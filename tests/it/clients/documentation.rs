//! Nothing in docs/clients.md rots: what it shows are files that are compiled and run, and the versions that it names are those
//! that `.ci/check-clients` works with.

use std::path::Path;

use serde_json::Value;

const DOCUMENT: &str = "docs/clients.md";

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The code blocks of the document: their language, what stands in them, and the file that the line before them names.
fn blocks(document: &str) -> Vec<(&str, &str, Option<&str>)> {
    let mut blocks = Vec::new();
    for (before, block) in document.split("\n```").zip(document.split("\n```").skip(1)).step_by(2) {
        let (language, code) = block.split_once('\n').unwrap();
        let named = before.lines().last().and_then(|line| line.strip_prefix("<!-- file: ")?.strip_suffix(" -->"));
        blocks.push((language, code, named));
    }
    blocks
}

#[test]
fn code_in_the_document_is_that_of_files() {
    let document = file(DOCUMENT);
    let mut shown = 0;
    for (language, code, named) in blocks(&document).into_iter().filter(|(language, ..)| *language != "sh") {
        let path = named.unwrap_or_else(|| panic!("a block in {language} is not from a file:\n{code}"));
        assert_eq!(format!("{code}\n"), file(path), "{DOCUMENT} shows {path} otherwise than it is");
        shown += 1;
    }
    assert!(shown >= 6, "only {shown} blocks were found");
}

/// Everything but imports and empty lines.
fn lines_of(example: &str) -> usize {
    let imports = |line: &&str| line.starts_with("import ") || line.starts_with("from ");
    file(example).lines().filter(|line| !line.is_empty() && !imports(line)).count()
}

#[test]
fn each_client_is_shown_in_twenty_lines() {
    for example in ["tests/clients/example.ts", "tests/clients/example.py"] {
        assert!(lines_of(example) <= 20, "{example} has {} lines", lines_of(example));
    }
}

/// A line is an installation, of exactly what is checked, or a command that `.ci/check-clients` runs too.
#[test]
fn commands_in_the_document_are_those_that_are_checked() {
    let (document, script) = (file(DOCUMENT), file(".ci/check-clients"));
    let package: Value = serde_json::from_str(&file("tests/clients/package.json")).unwrap();
    let requirements = file("tests/clients/requirements.txt");
    let mut commands = 0;
    for line in blocks(&document).iter().filter(|(language, ..)| *language == "sh").flat_map(|(_, code, _)| code.lines()) {
        commands += 1;
        let pinned: Vec<&str> = line.split(' ').filter(|word| word.contains("==") || word[1..].contains('@')).collect();
        for word in &pinned {
            let checked = match word.rsplit_once('@') {
                Some((name, version)) => ["dependencies", "devDependencies"].iter().any(|kind| package[kind][name] == version),
                None => requirements.lines().any(|line| line == *word),
            };
            assert!(checked, "{DOCUMENT} names {word}, which is not what is checked");
        }
        assert!(!pinned.is_empty() || script.contains(line), "`.ci/check-clients` does not run `{line}`");
    }
    assert!(commands >= 4, "only {commands} commands were found");
}

/// They would lead away from the registries that people have configured.
#[test]
fn no_lock_names_a_registry() {
    let lock = file("tests/clients/package-lock.json");
    assert!(lock.contains("\"integrity\"") && !lock.contains("\"resolved\""), "`npm install --omit-lockfile-registry-resolved` makes it");
}
