//! The log of `initdb` and the server: a file, so that a server outlives nobody's pipe, and so that
//! a failed start can be explained by its last lines.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::EmbeddedError;

/// A longer log is emptied at the next start.
const LIMIT: u64 = 10 * 1024 * 1024;
/// How much of the end is looked at for the explanation, and how many lines of it are given.
const TAIL: u64 = 16 * 1024;
const LINES: usize = 6;

/// The log, and where this run's part of it begins.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    begin: u64,
}

impl Log {
    pub fn open(path: &Path) -> Result<Self, EmbeddedError> {
        let failed = EmbeddedError::not_writable(path);
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(&failed)?;
        let mut begin = file.metadata().map_err(&failed)?.len();
        if begin > LIMIT {
            file.set_len(0).map_err(&failed)?;
            begin = 0;
        }
        Ok(Self { path: path.to_owned(), file, begin })
    }

    /// Everything that the program says goes here.
    pub fn attach(&self, command: &mut Command) -> Result<(), EmbeddedError> {
        let failed = EmbeddedError::not_writable(&self.path);
        command.stdout(Stdio::from(self.file.try_clone().map_err(&failed)?));
        command.stderr(Stdio::from(self.file.try_clone().map_err(&failed)?));
        Ok(())
    }

    /// The last lines of this run, as one.
    pub fn tail(&self) -> String {
        let text = self.read_end().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        if last.is_empty() {
            return format!("it said nothing in {}", self.path.display());
        }
        last.join(" | ")
    }

    fn read_end(&self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.begin.max(length.saturating_sub(TAIL))))?;
        let mut text = Vec::new();
        file.take(TAIL).read_to_end(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_this_run_is_quoted_and_on_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres.log");
        std::fs::write(&path, "yesterday\n").unwrap();
        let mut log = Log::open(&path).unwrap();
        assert!(log.tail().starts_with("it said nothing in"));
        for number in 1..=8 {
            writeln!(log.file, "line {number}\n").unwrap();
        }
        assert_eq!(log.tail(), "line 3 | line 4 | line 5 | line 6 | line 7 | line 8");
    }

    #[test]
    fn a_log_over_the_limit_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres.log");
        File::create(&path).unwrap().set_len(LIMIT + 1).unwrap();
        let log = Log::open(&path).unwrap();
        assert_eq!((log.begin, path.metadata().unwrap().len()), (0, 0));
    }
}
