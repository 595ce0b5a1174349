//! How somebody stood while questions were under way, and what came of all questions.

use std::fmt::{Display, Formatter, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::questions::{Question, Told};
use super::taking::Standing;

/// So many of those that were answered wrongly are told.
const SHOWN: usize = 20;

/// How somebody stood from change to change, and which change was answered last.
#[derive(Debug)]
pub struct Course(Mutex<(Vec<Standing>, usize)>);

impl Course {
    pub fn begun() -> Self {
        Self(Mutex::new((vec![Standing::WHOLE], 0)))
    }
    /// A change is sent that leaves this.
    pub fn change(&self, leaves: Standing) {
        self.0.lock().unwrap().0.push(leaves);
    }
    /// It was answered.
    pub fn answered(&self) {
        let mut course = self.0.lock().unwrap();
        course.1 = course.0.len() - 1;
    }
    /// The last change that was answered by now.
    pub fn now(&self) -> usize {
        self.0.lock().unwrap().1
    }
    /// All that may be told of a question that was asked then and is answered now: one thing, if
    /// nothing changed meanwhile.
    pub fn due(&self, question: Question, since: usize) -> Vec<Told> {
        let stood = &self.0.lock().unwrap().0[since..];
        let mut due: Vec<Told> = stood.iter().map(|stands| question.due(*stands)).collect();
        // The account may be disabled between the look at the session and the one at the mandate.
        if stood.len() > 1 && due.contains(&Told::SignInFirst) {
            due.push(Told::Closed);
        }
        due
    }
}

/// What came of a question.
#[derive(Debug)]
pub struct Asked {
    pub question: Question,
    pub node: usize,
    pub told: Told,
    pub unchanged: bool,
    pub due: Vec<Told>,
}

/// What came of all of them.
#[derive(Debug, Default)]
pub struct Tally {
    pub rounds: AtomicU64,
    pub asked: AtomicUsize,
    /// Those that were told that what they have is still so.
    pub unchanged: AtomicUsize,
    stale: Mutex<Vec<String>>,
}

impl Tally {
    pub fn note(&self, seed: u64, asked: Asked, when: impl Fn() -> String) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.unchanged.fetch_add(usize::from(asked.unchanged), Ordering::Relaxed);
        let Asked { question, node, told, due, .. } = asked;
        if !due.contains(&told) {
            self.stale.lock().unwrap().push(format!(
                "seed {seed}, {}: {question:?} on node {node} is told {told:?} where {due:?} is \
                 due ({} rounds were over)",
                when(),
                self.rounds.load(Ordering::Relaxed)
            ));
        }
    }

    /// How many were told what was true no more, or not yet.
    pub fn stale(&self) -> usize {
        self.stale.lock().unwrap().len()
    }

    pub fn nothing_was_stale(&self) {
        let stale = self.stale.lock().unwrap();
        let shown = &stale[..stale.len().min(SHOWN)];
        assert!(stale.is_empty(), "{} stale answers of {self}: {shown:#?}", stale.len());
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let rounds = self.rounds.load(Ordering::Relaxed);
        let [asked, unchanged] =
            [&self.asked, &self.unchanged].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{rounds} rounds, {asked} questions, {unchanged} of them answered 304")
    }
}
