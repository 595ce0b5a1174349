//! Imports of many lines: an outcome for each, and how many there were of each.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::lines::{Columns, Line, Lines};
use crate::http::app::App;
use crate::kernel::error::{Code, Error, FieldError};

/// So many failures of ours one after the other, and the rest would fail, too.
const MOST_FAILURES: usize = 3;

/// What came of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    Invited,
    /// There was nothing to be done.
    Skipped,
    Refused,
}

/// A line of the file, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportedLine {
    /// In the file, from 1.
    #[schema(example = 2)]
    pub line: usize,
    /// As it stands there, where it can be read.
    #[schema(example = "erin@acme.example")]
    pub email: Option<String>,
    /// The same of accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "erin")]
    pub username: Option<String>,
    pub status: ImportStatus,
    /// What was made of it, or was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<Uuid>,
    /// Why it was skipped or refused: what is wrong with a field, or why the line alone would be
    /// refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "already_invited")]
    pub code: Option<String>,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/email")]
    pub pointer: Option<String>,
}

/// How many lines there were.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ImportTotals {
    #[schema(example = 1)]
    pub invited: usize,
    #[schema(example = 0)]
    pub skipped: usize,
    #[schema(example = 0)]
    pub refused: usize,
}

/// What came of a file.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Import {
    /// In the order of the file.
    pub items: Vec<ImportedLine>,
    pub totals: ImportTotals,
}

/// What came of one line.
#[derive(Debug)]
pub enum Imported {
    Invited(Uuid),
    Skipped { id: Option<Uuid>, code: Code },
    Unfit(FieldError),
    Refused(Error),
}

impl Imported {
    /// Of a refusal, which may point to a field.
    #[must_use]
    pub fn refused(refusal: Error) -> Self {
        match refusal.errors().first() {
            Some(fault) => Self::Unfit(fault.clone()),
            None => Self::Refused(refusal),
        }
    }

    fn code(&self) -> Option<Code> {
        if let Self::Refused(refusal) = self { Some(refusal.code()) } else { None }
    }

    /// Whether the lines that follow would be refused alike: whoever sends them may not any more,
    /// or the service cannot now.
    fn ends_the_file(&self) -> bool {
        let ends = [
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::MandateAccessDenied,
            Code::DatabaseUnavailable,
            Code::Overloaded,
        ];
        self.code().is_some_and(|code| ends.contains(&code))
    }

    /// Whether it is a failure of ours, which nobody else is told of.
    fn is_failure(&self) -> bool {
        let Self::Refused(refusal) = self else { return false };
        if refusal.code().status() < 500 {
            return false;
        }
        tracing::error!(cause = ?refusal.cause(), "a line of a file failed");
        true
    }
}

/// A file that is being read line by line, for as long as an answer can still be given of it: who
/// gets none does not know what was done.
#[derive(Debug)]
pub struct Importing<T> {
    lines: std::vec::IntoIter<Line>,
    began: Instant,
    time: Duration,
    failures: usize,
    /// What was only asked about has no id.
    dry_run: bool,
    import: Import,
    columns: PhantomData<T>,
}

impl<T: Columns> Importing<T> {
    #[must_use]
    pub fn new(app: &App, file: Lines<T>, dry_run: bool) -> Self {
        Self::within(app.settings().request_timeout.mul_f32(0.6), file.lines, dry_run)
    }

    fn within(time: Duration, lines: Vec<Line>, dry_run: bool) -> Self {
        Self {
            lines: lines.into_iter(),
            began: Instant::now(),
            time,
            failures: 0,
            dry_run,
            import: Import::default(),
            columns: PhantomData,
        }
    }

    /// The line that is next to be seen to.
    pub fn next_line(&mut self) -> Option<Line> {
        if self.began.elapsed() >= self.time {
            let detail = "There was no time for this line: send the file again.";
            self.end(&Imported::Refused(Error::new(Code::TimedOut, detail)));
        }
        self.lines.next()
    }

    /// What came of a line, and of those that follow where they would come to the same.
    pub fn note(&mut self, line: &Line, imported: &Imported) {
        self.failures = if imported.is_failure() { self.failures + 1 } else { 0 };
        self.import.note::<T>(line, imported, self.dry_run);
        if imported.ends_the_file() || self.failures == MOST_FAILURES {
            self.end(imported);
        }
    }

    fn end(&mut self, refused: &Imported) {
        for line in self.lines.by_ref() {
            self.import.note::<T>(&line, refused, self.dry_run);
        }
    }

    #[must_use]
    pub fn finish(self) -> Import {
        self.import
    }
}

impl Import {
    fn note<T: Columns>(&mut self, line: &Line, imported: &Imported, dry_run: bool) {
        let count = &mut self.totals;
        let (status, counted, id, code, pointer) = match imported {
            Imported::Invited(id) => {
                let id = (!dry_run).then_some(*id);
                (ImportStatus::Invited, &mut count.invited, id, None, None)
            }
            Imported::Skipped { id, code } => {
                (ImportStatus::Skipped, &mut count.skipped, *id, Some(code.name()), None)
            }
            Imported::Unfit(fault) => (
                ImportStatus::Refused,
                &mut count.refused,
                None,
                Some(fault.code.to_string()),
                Some(fault.pointer.clone()),
            ),
            Imported::Refused(refusal) => {
                let code = Some(refusal.code().name());
                (ImportStatus::Refused, &mut count.refused, None, code, None)
            }
        };
        *counted += 1;
        let told = |name| T::TOLD.contains(&name).then(|| line.text(name)).flatten();
        let (email, username) = (told("email"), told("username"));
        let line = line.number;
        self.items.push(ImportedLine { line, email, username, status, id, code, pointer });
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Row {}
    impl Columns for Row {
        const ALL: &'static [&'static str] = &["email"];
        const TOLD: &'static [&'static str] = &["email"];
    }

    /// What is told of a file of five lines, of which each that is seen to comes to this.
    fn codes(time: Duration, of: impl Fn() -> Imported) -> (usize, Vec<Option<String>>) {
        let mut importing = Importing::<Row>::within(time, Line::examples(5), false);
        let mut seen = 0;
        while let Some(line) = importing.next_line() {
            seen += 1;
            importing.note(&line, &of());
        }
        let import = importing.finish();
        assert_eq!(import.totals.invited + import.totals.refused, import.items.len());
        (seen, import.items.into_iter().map(|item| item.code).collect())
    }

    #[test]
    fn what_would_come_to_the_same_is_not_tried() {
        let refused = |code: Code| move || Imported::Refused(Error::new(code, "So it is."));
        let all = |code: &str| vec![Some(code.to_owned()); 5];
        let time = Duration::from_hours(1);
        let invited = || Imported::Invited(Uuid::nil());
        assert_eq!(codes(time, invited), (5, vec![None; 5]));
        assert_eq!(codes(Duration::ZERO, invited), (0, all("timed_out")));
        assert_eq!(codes(time, refused(Code::SelfEscalation)), (5, all("self_escalation")));
        assert_eq!(codes(time, refused(Code::PermissionDenied)), (1, all("permission_denied")));
        assert_eq!(codes(time, refused(Code::Internal)), (3, all("internal")));
    }
}
