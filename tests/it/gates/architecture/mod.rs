//! The rules of the architecture, read from the sources.

mod locked_parts;
mod order;
mod proofs;
mod rules;

/// The rooms that hold slices: folders with routes and SQL of their own.
const ROOMS_OF_SLICES: [&str; 4] = ["identity", "tenancy", "platform", "features"];

/// A file's code: no comments, no unit tests.
pub fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_of_a_slice(path: &str) -> bool {
    path.split_once('/').is_some_and(|(room, _)| ROOMS_OF_SLICES.contains(&room))
}
