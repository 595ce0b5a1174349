//! What an operator can rely on, one test a rule. Each test has an environment and a folder of its
//! own.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

mod misspelt;
mod refusals;
mod values;

use super::*;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const DATABASE: &str = "postgres://app:hunter2@db.example.org:5432/app";

fn folder(file: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    if !file.is_empty() {
        fs::write(folder.path().join("bailiwick.toml"), file).unwrap();
    }
    folder
}

fn load_in(folder: &Path, environment: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load_from(pairs, folder)
}

fn load(environment: &[(&str, &str)], file: &str) -> Result<Loaded, ConfigErrors> {
    load_in(folder(file).path(), environment)
}

/// The problems, with the temporary folder taken out of them.
fn problems(environment: &[(&str, &str)], file: &str) -> Vec<String> {
    let folder = folder(file);
    let place = format!("{}/", folder.path().display());
    let errors = load_in(folder.path(), environment).unwrap_err();
    assert_eq!(errors.to_string().lines().count(), errors.lines().len());
    errors.lines().iter().map(|line| line.replace(&place, "")).collect()
}

fn source<'a>(loaded: &'a Loaded, name: &str) -> (&'a str, &'a str) {
    let row = loaded.sources.iter().find(|row| row.name == name).unwrap();
    (&row.value, &row.source)
}
