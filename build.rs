//! Tells the program which commit it is built from: what `BUILD_COMMIT` says while building, else,
//! for builds that are meant to be run (release), what `.git` says. Where neither does, it is
//! unknown, and that is no failure. Other builds do not look: each commit would build everything
//! anew.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// No setting of the service, whose names begin otherwise.
const VARIABLE: &str = "BUILD_COMMIT";

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    // They are built in, and a new one changes no file that is compiled.
    println!("cargo::rerun-if-changed=migrations");
    let told =
        env::var_os(VARIABLE).and_then(|told| told.into_string().ok()).filter(|told| is_sane(told));
    let commit = told.or_else(|| {
        let is_release = env::var_os("PROFILE").is_some_and(|profile| profile == "release");
        let found = head(Path::new(env!("CARGO_MANIFEST_DIR"))).filter(|_| is_release)?;
        for file in found.read_from {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        Some(found.commit)
    });
    println!("cargo::rustc-env={VARIABLE}={}", commit.as_deref().unwrap_or("unknown"));
}

/// A label of a metric and a word of a log line: nothing that could be more than one.
fn is_sane(commit: &str) -> bool {
    (1..=64).contains(&commit.len())
        && commit.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}

/// What is checked out, and the files that say so.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub commit: String,
    pub read_from: Vec<PathBuf>,
}

/// Reads git's own files: a build need not have git.
pub fn head(root: &Path) -> Option<Head> {
    let git = git_folder(root)?;
    let first = git.join("HEAD");
    let text = fs::read_to_string(&first).ok()?;
    let Some(name) = text.trim().strip_prefix("ref: ") else {
        return found(text.trim(), vec![first]);
    };
    // A branch of a worktree is kept where all branches are.
    let common = fs::read_to_string(git.join("commondir"))
        .map_or_else(|_| git.clone(), |shared| git.join(shared.trim()));
    let loose = common.join(name);
    if let Ok(commit) = fs::read_to_string(&loose) {
        return found(commit.trim(), vec![first, loose]);
    }
    let packed = common.join("packed-refs");
    let refs = fs::read_to_string(&packed).ok()?;
    let commit =
        refs.lines().find_map(|line| line.split_once(' ').filter(|(_, of)| *of == name))?.0;
    found(commit, vec![first, packed])
}

/// `.git` is a folder, or, in a worktree, a file that names one.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(git).ok()?;
    Some(root.join(text.strip_prefix("gitdir: ")?.trim()))
}

fn found(commit: &str, read_from: Vec<PathBuf>) -> Option<Head> {
    let is_commit = commit.len() >= 40 && is_sane(commit);
    is_commit.then(|| Head { commit: commit[..12].to_owned(), read_from })
}
