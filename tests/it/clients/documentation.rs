//! Nothing in docs/clients.md rots: what it shows are files that are compiled and run, and the
//! versions that it names are those that `.ci/check-clients` works with.

use std::path::Path;

use serde_json::Value;

const DOCUMENT: &str = "docs/clients.md";

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Before commands that `.ci/check-clients` takes out of the document and runs, as they stand
/// there.
const RUN: &str = "<!-- run in an empty folder -->";

/// The code blocks of the document: their language, what stands in them, and the line before them.
fn blocks(document: &str) -> Vec<(&str, &str, &str)> {
    let mut blocks = Vec::new();
    for (before, block) in document.split("\n```").zip(document.split("\n```").skip(1)).step_by(2) {
        let (language, code) = block.split_once('\n').unwrap();
        blocks.push((language, code, before.lines().last().unwrap_or_default()));
    }
    blocks
}

#[test]
fn code_in_the_document_is_that_of_files() {
    let document = file(DOCUMENT);
    let mut shown = 0;
    for (language, code, above) in
        blocks(&document).into_iter().filter(|(language, ..)| *language != "sh")
    {
        let named = above.strip_prefix("<!-- file: ").and_then(|line| line.strip_suffix(" -->"));
        let path =
            named.unwrap_or_else(|| panic!("a block in {language} is not from a file:\n{code}"));
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

/// A line is an installation, of exactly what is checked, or a command that `.ci/check-clients`
/// runs too.
#[test]
fn commands_in_the_document_are_those_that_are_checked() {
    let (document, script) = (file(DOCUMENT), file(".ci/check-clients"));
    let package: Value = serde_json::from_str(&file("tests/clients/package.json")).unwrap();
    let requirements = file("tests/clients/requirements.txt");
    let mut commands = 0;
    assert!(script.contains(RUN), "`.ci/check-clients` finds the commands that it runs");
    let shell = blocks(&document).into_iter().filter(|(language, ..)| *language == "sh");
    for (line, above) in
        shell.flat_map(|(_, code, above)| code.lines().map(move |line| (line, above)))
    {
        commands += 1;
        let pinned: Vec<&str> =
            line.split(' ').filter(|word| word.contains("==") || word[1..].contains('@')).collect();
        for word in &pinned {
            let checked = match word.rsplit_once('@') {
                Some((name, version)) => ["dependencies", "devDependencies"]
                    .iter()
                    .any(|kind| package[kind][name] == version),
                None => requirements.lines().any(|line| line == *word),
            };
            assert!(checked, "{DOCUMENT} names {word}, which is not what is checked");
        }
        assert!(
            !pinned.is_empty() || above == RUN || script.contains(line),
            "`.ci/check-clients` does not run `{line}`"
        );
    }
    assert!(commands >= 4, "only {commands} commands were found");
}

/// They would lead away from the registries that people have configured.
#[test]
fn no_lock_names_a_registry() {
    let lock = file("tests/clients/package-lock.json");
    assert!(
        lock.contains("\"integrity\"") && !lock.contains("\"resolved\""),
        "`npm install --omit-lockfile-registry-resolved` makes it"
    );
}
