//! `in-process ENGINE MODEL`: answers every question of the model, then decides one after the other
//! for as many milliseconds as each line of standard input says, and prints how often it did.

#![forbid(unsafe_code)]

mod casbin_engine;
mod cedar_engine;
mod model;

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use model::Model;

/// So many decisions are made before the clock is looked at again.
const AT_ONCE: usize = 10;

/// Decides a question by its number.
type Decide = Box<dyn Fn(usize) -> bool>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (engine, model) = (arguments.next(), arguments.next().context("which model?")?);
    let model: Model = serde_json::from_slice(&std::fs::read(model)?)?;
    let decide = match engine.as_deref() {
        Some("cedar-policy") => cedar_engine::decider(&model)?,
        Some("casbin") => casbin_engine::decider(&model)?,
        other => bail!("there is no engine {other:?}"),
    };
    for (number, question) in model.questions.iter().enumerate() {
        ensure!(decide(number) == question.allowed, "a wrong answer to {question:?}");
    }
    say(&format!("ready {}", version(&engine.unwrap_or_default())?))?;
    for line in std::io::stdin().lock().lines() {
        let turn = Duration::from_millis(line?.trim().parse()?);
        let (began, mut decisions) = (Instant::now(), 0);
        while began.elapsed() < turn {
            for number in decisions..decisions + AT_ONCE {
                black_box(decide(black_box(number % model.questions.len())));
            }
            decisions += AT_ONCE;
        }
        let microseconds = began.elapsed().as_secs_f64() * 1e6;
        say(&format!(r#"{{"decisions":{decisions},"microseconds":{microseconds}}}"#))?;
    }
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// As it is pinned.
fn version(engine: &str) -> Result<&'static str> {
    let manifest = include_str!("../Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with(engine)).context("not pinned")?;
    let pinned = line.split_once("\"=").and_then(|(_, rest)| rest.split('"').next());
    pinned.context("not pinned")
}
