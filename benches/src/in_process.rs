//! Decisions without a server: a program that keeps deciding for as long as it is told, and says
//! how often it did. So they have their turns as everything else.
//!
//! Such a program reads how many milliseconds its turn has from standard input, a line each, and
//! answers with a line of JSON.

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::children::Site;
use crate::effort::Turn;
use crate::load::{Measured, precise};

/// How much longer than asked it may take.
const GRACE: Duration = Duration::from_mins(2);
/// So many decisions are made before the clock is looked at again.
const AT_ONCE: u64 = 100;

#[derive(Debug, Serialize, Deserialize)]
struct Decided {
    decisions: u64,
    microseconds: f64,
}

/// Says that it is ready, then decides by `decide`, which is given the number of each question, for
/// as long as it is told.
pub fn serve(version: &str, decide: impl Fn(u64) -> bool) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "ready {version}")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let turn = Duration::from_millis(line?.trim().parse()?);
        let (began, mut decisions) = (Instant::now(), 0);
        while began.elapsed() < turn {
            for number in decisions..decisions + AT_ONCE {
                black_box(decide(black_box(number)));
            }
            decisions += AT_ONCE;
        }
        let microseconds = began.elapsed().as_secs_f64() * 1e6;
        writeln!(out, "{}", serde_json::to_string(&Decided { decisions, microseconds })?)?;
        out.flush()?;
    }
    Ok(())
}

/// Such a program, running. It ends with the harness.
#[derive(Debug)]
pub struct Deciding {
    child: Child,
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
}

impl Deciding {
    /// Starts it and waits until it is ready: until it has answered every question rightly. With
    /// its version.
    pub async fn start(site: &Site, mut command: Command) -> Result<(String, Self)> {
        let program = command.as_std().get_program().to_owned();
        let mut child = command
            .env("PATH", site.path()?)
            .current_dir(&site.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(site.log()?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let deciding = Self { child, pipes: Mutex::new((stdin, stdout)) };
        let said = deciding.next_line(GRACE).await?;
        let version = said
            .strip_prefix("ready")
            .with_context(|| format!("it said {said:?}: {}", site.last_words()))?;
        Ok((version.trim().to_owned(), deciding))
    }

    /// 0 where it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    pub async fn decide(&self, turn: Turn) -> Result<Measured> {
        let turn = turn.how_long();
        let line = format!("{}\n", turn.as_millis());
        self.pipes.lock().await.0.write_all(line.as_bytes()).await?;
        let line = self.next_line(turn + GRACE).await?;
        let Decided { decisions, microseconds } = serde_json::from_str(&line)?;
        let per_second = precise(decisions) / microseconds * 1e6;
        Ok(Measured { requests: decisions, per_second, ..Measured::default() })
    }

    async fn next_line(&self, patience: Duration) -> Result<String> {
        let mut pipes = self.pipes.lock().await;
        let line = timeout(patience, pipes.1.next_line()).await.context("it says nothing")??;
        Ok(line.unwrap_or_default())
    }
}
