//! The documents keep their word: the README's tour runs as it is written, its table of settings is
//! the service's own, and links lead somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use bailiwick::kernel::config;

use crate::gates::golden::rewrite;
use crate::harness::process::Service;

const SETTINGS_BEGIN: &str =
    "<!-- settings: generated; `UPDATE_GOLDEN=1 cargo test readme` writes it anew -->\n";
const SETTINGS_END: &str = "<!-- /settings -->";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The shell blocks between the markers of the tour, as one script.
fn tour() -> String {
    let text = readme();
    let tours = text
        .split("<!-- tour -->")
        .skip(1)
        .map(|part| part.split_once("<!-- /tour -->").unwrap().0);
    let blocks = tours.flat_map(|tour| tour.split("```sh\n").skip(1));
    blocks.map(|block| block.split_once("```").unwrap().0).collect()
}

#[test]
fn tour_runs_as_written() {
    let service = Service::of_a_newcomer();
    let run = Command::new("sh")
        .args(["-eu", "-c", &tour()])
        .env("BASE", &service.base)
        .env("MAIL_DIR", service.mail_dir())
        .output()
        .unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    let complaints = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success() && complaints.is_empty(), "{}\n{complaints}\n{said}", run.status);

    // Calls whose answer goes into a variable show no status; these are the others, in order.
    let status = |line: &str| line.strip_prefix('[')?.strip_suffix(']')?.parse::<u16>().ok();
    let statuses: Vec<u16> = said.lines().filter_map(status).collect();
    assert_eq!(
        statuses,
        [
            200, 200, 200, 200, 200, 200, 403, 201, 201, 201, 200, 201, 200, 200, 200, 304, 200,
            201, 200, 200, 200, 200, 410, 200, 200, 200, 201, 200, 200, 201, 200
        ],
        "{said}"
    );

    let answers: Vec<serde_json::Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let answer = |find: &dyn Fn(&serde_json::Value) -> bool| {
        answers.iter().find(|answer| find(answer)).unwrap_or_else(|| panic!("{said}"))
    };
    answer(&|it| it["mandates"][0]["features"][0]["instances"][0]["userRole"] == "playbooks-admin");
    answer(&|it| it["totals"]["gained"] == 3 && it["adminsLeft"] == 1);
    answer(&|it| it["code"] == "grant_exceeds_own_access");
    answer(&|it| it["items"][0]["email"] == "frieda@acme.example");
    answer(&|it| it["updated"] == 1 && it["changes"][0]["permissions"][0]["view"] == "reports");
    answer(&|it| {
        it["items"][0]["action"] == "role_permissions_changed"
            && it["items"][0]["actorName"] == "alice"
    });
    answer(&|it| it["items"][0]["current"] == true && it["items"][0]["device"].is_string());
    answer(&|it| it["name"] == "Initech" && it["hasAdmin"] == true);
    answer(&|it| it["mandates"].as_array().is_some_and(Vec::is_empty));
    answer(&|it| it["username"] == "erin" && it["mandates"][0]["roles"][0] == "admin");
    answer(&|it| it["code"] == "helpdesk" && it["builtIn"] == false);
}

/// The settings as a table, from the source's own list.
fn settings_table() -> String {
    let row = |setting: config::SettingDoc| {
        let variable = match &setting.file_environment_name {
            Some(file) => format!("`{}`, or a file's path in `{file}`", setting.environment_name),
            None => format!("`{}`", setting.environment_name),
        };
        let key = if setting.name == "config_file" {
            String::new()
        } else {
            format!("`{}`", setting.name)
        };
        let cells = [variable, key, setting.default, setting.expected, setting.meaning.to_owned()];
        format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
    };
    let rows: String = config::documentation().into_iter().map(row).collect();
    format!(
        "| variable | in the file | default | allowed | meaning |\n|---|---|---|---|---|\n{rows}"
    )
}

#[test]
fn settings_are_those_of_the_service() {
    let text = readme();
    let (before, rest) = text.split_once(SETTINGS_BEGIN).unwrap();
    let (written, after) = rest.split_once(SETTINGS_END).unwrap();
    let table = settings_table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let anew = format!("{before}{SETTINGS_BEGIN}{table}{SETTINGS_END}{after}");
        rewrite(&root().join("README.md"), &anew);
    } else {
        assert_eq!(written, table, "`UPDATE_GOLDEN=1 cargo test readme` writes it anew");
    }
}

fn documents() -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let documents =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.chain(["README.md", "CHANGELOG.md"].map(|name| root().join(name))).collect()
}

/// Everything outside of code blocks, which may hold what looks like links and headings.
fn prose(document: &Path) -> String {
    let text = std::fs::read_to_string(document).unwrap();
    text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

/// A heading's anchor, as forges make them.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for document in documents() {
        for link in prose(&document)
            .split("](")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        {
            if link.starts_with("https://") {
                continue;
            }
            followed += 1;
            let (path, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(path)
            };
            let has_fragment = || {
                prose(&target).lines().any(|line| line.starts_with('#') && anchor(line) == fragment)
            };
            if !target.exists() || !(fragment.is_empty() || has_fragment()) {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(followed > 5, "links are found at all");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// By its path here, or in `src`, or in `tests/it`; folders too.
#[test]
fn sources_that_documents_name_exist() {
    let (mut named, mut missing) = (0, BTreeSet::new());
    for document in documents() {
        for name in prose(&document).split('`').skip(1).step_by(2) {
            let is_path = name.contains('/') && !name.contains([' ', '*', '…', '{', '<']);
            let is_source = Path::new(name).extension().is_some_and(|kind| kind == "rs");
            let is_ours = ["src/", "tests/", "crates/", "openapi/"]
                .into_iter()
                .any(|folder| name.starts_with(folder));
            if !is_path || !(is_source || is_ours) {
                continue;
            }
            named += 1;
            let exists = |place| root().join(place).join(name).exists();
            if !["", "src", "tests/it"].into_iter().any(exists) {
                missing.insert(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(named > 10, "names are found at all");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The folder of the crate that a name begins with, and the rest of the name.
fn home(name: &str) -> (PathBuf, &str) {
    let of_a_crate = name.split_once("::").and_then(|(first, rest)| {
        let folder = root().join("crates").join(first.replace('_', "-"));
        folder.is_dir().then_some((folder, rest))
    });
    of_a_crate.unwrap_or((root(), name))
}

/// A word that is explained has a place in the sources.
#[test]
fn words_live_where_they_are_said_to() {
    let text = std::fs::read_to_string(root().join("docs/words.md")).unwrap();
    let places = text.lines().filter(|line| line.starts_with("| **")).map(|line| {
        let (_, last) = line.trim_end_matches(" |").rsplit_once("| ").unwrap();
        (line, last)
    });
    let (mut words, mut missing) = (0, Vec::new());
    for (line, place) in places {
        words += 1;
        // `src/{identity,tenancy}/` names several.
        let first = place.split('`').nth(1).unwrap_or_default();
        let first = first.replace("{identity,tenancy,platform,features}", "tenancy");
        if !root().join(first).exists() {
            missing.push(line);
        }
    }
    assert!(words >= 25, "only {words} words are explained");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// `gates::once` is a file of this test program, `unit auth::token` a module with tests in it, and
/// a test in either may be named behind it; a name that begins with a crate of `crates/` is of that
/// crate.
#[test]
fn security_names_tests_that_exist() {
    let text = prose(&root().join("docs/security.md"));
    let (mut named, mut missing) = (0, BTreeSet::new());
    for (before, name) in text.split('`').zip(text.split('`').skip(1)).step_by(2) {
        let (home, within) = home(name);
        let found = if before.ends_with("unit ") {
            let (folder, plain) = (home.join("src"), within.replace("::tests::", "::"));
            [within, plain.as_str()].iter().any(|name| holds(&folder, name, "test]"))
        } else if ["gates::", "slices::"].iter().any(|it| name.starts_with(it)) || home != root() {
            holds(&home.join("tests/it"), within, "")
        } else {
            continue;
        };
        named += 1;
        if !found {
            missing.insert(name);
        }
    }
    assert!(named > 20, "names are found at all");
    assert!(missing.is_empty(), "{missing:?}");
}

/// Whether a module, or the test behind its name, is there and holds the words.
fn holds(folder: &Path, name: &str, words: &str) -> bool {
    let text = |name: &str| {
        let path = name.replace("::", "/");
        let files = ["", "/mod"].map(|end| folder.join(format!("{path}{end}.rs")));
        files.into_iter().find_map(|file| std::fs::read_to_string(file).ok())
    };
    let is_test = |module: &str, test: &str| {
        text(module).is_some_and(|text| text.contains(&format!("fn {test}(")))
    };
    text(name).is_some_and(|text| text.contains(words))
        || name.rsplit_once("::").is_some_and(|(module, test)| is_test(module, test))
}
