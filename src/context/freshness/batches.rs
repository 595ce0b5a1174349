//! Questions that wait, and the statement that answers them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tracing::{Instrument, Span};

use crate::context::load::{Fresh, Question};
use crate::kernel::error::{Code, Error, Result};

/// How many wait at most, in memory and for one statement. As long as the database answers, a batch
/// is over before so many have come.
pub(super) const MOST: usize = 4_096;

/// Answers questions, in their order, by what is true at a moment after it was called.
pub(crate) trait Source: Send + Sync + 'static {
    fn answer(
        &self,
        questions: Vec<Question>,
    ) -> impl Future<Output = Result<Vec<Option<Fresh>>>> + Send;
}

/// Those who wait, and what answers them.
#[derive(Debug)]
pub(crate) struct Batches<S>(Arc<Shared<S>>);

impl<S> Clone for Batches<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<S> {
    source: S,
    waiting: Mutex<Waiting>,
    #[cfg(test)]
    answers_late_comers: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    questions: Vec<Asked>,
    /// Whether somebody sees to it that they are answered.
    attended: bool,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    /// Of the request that it is asked for.
    span: Span,
    answer: oneshot::Sender<Result<Option<Fresh>>>,
}

impl<S: Source> Batches<S> {
    pub fn of(source: S) -> Self {
        Self(Arc::new(Shared {
            source,
            waiting: Mutex::default(),
            #[cfg(test)]
            answers_late_comers: false,
        }))
    }

    /// With the rule broken that this is all about.
    #[cfg(test)]
    pub fn answering_from_what_is_under_way(source: S) -> Self {
        Self(Arc::new(Shared { source, waiting: Mutex::default(), answers_late_comers: true }))
    }

    /// What is true of the session now, or after now. `None`: sign in first.
    pub async fn ask(&self, question: Question) -> Result<Option<Fresh>> {
        let (answer, answered) = oneshot::channel();
        if self.0.enlist(Asked { question, span: Span::current(), answer })? {
            tokio::spawn(attend(Arc::clone(&self.0)));
        }
        answered.await.map_err(Error::internal)?
    }
}

impl<S> Shared<S> {
    /// Whether somebody has to see to it from now on.
    fn enlist(&self, asked: Asked) -> Result<bool> {
        let mut waiting = self.waiting();
        if waiting.questions.len() >= MOST {
            return Err(
                Error::new(Code::Overloaded, "Too many requests at this moment.").retry_after(1)
            );
        }
        waiting.questions.push(asked);
        Ok(!std::mem::replace(&mut waiting.attended, true))
    }

    /// All who wait by now and did not go away; nobody, and then nobody attends any more.
    fn next(&self) -> Vec<Asked> {
        let mut waiting = self.waiting();
        let mut questions = std::mem::take(&mut waiting.questions);
        questions.retain(|asked| !asked.answer.is_closed());
        waiting.attended = !questions.is_empty();
        questions
    }

    /// Where the rule is broken: those who came meanwhile are told what the others are.
    #[cfg(test)]
    fn with_late_comers(
        &self,
        mut batch: Vec<Asked>,
        answers: Result<Vec<Option<Fresh>>>,
    ) -> (Vec<Asked>, Result<Vec<Option<Fresh>>>) {
        let Ok(mut answers) = answers else { return (batch, answers) };
        if let (true, Some(last)) = (self.answers_late_comers, answers.last().copied()) {
            let late = std::mem::take(&mut self.waiting().questions);
            answers.extend(late.iter().map(|_| last));
            batch.extend(late);
        }
        (batch, Ok(answers))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of all who wait, should a statement panic or be dropped: they are told, and the next who
/// comes begins anew.
struct Attending<'a, S> {
    shared: &'a Shared<S>,
    is_over: bool,
}

impl<S> Drop for Attending<'_, S> {
    fn drop(&mut self) {
        if !self.is_over {
            *self.shared.waiting() = Waiting::default();
        }
    }
}

/// Answers all who wait, batch by batch, until nobody does.
async fn attend<S: Source>(shared: Arc<Shared<S>>) {
    let mut attending = Attending { shared: &shared, is_over: false };
    loop {
        let batch = shared.next();
        if batch.is_empty() {
            attending.is_over = true;
            return;
        }
        let questions = batch.iter().map(|asked| asked.question.clone()).collect();
        // What is done for one request is logged as its own; what is done for many, as nobody's.
        let span = if let [only] = &batch[..] { only.span.clone() } else { Span::none() };
        let answers = shared.source.answer(questions).instrument(span).await;
        #[cfg(test)]
        let (batch, answers) = shared.with_late_comers(batch, answers);
        tell(batch, answers);
    }
}

/// Everybody has their own answer, or all the same refusal. Who went away meanwhile is told in
/// vain.
fn tell(batch: Vec<Asked>, answers: Result<Vec<Option<Fresh>>>) {
    match answers {
        Ok(answers) if answers.len() == batch.len() => {
            for (asked, answer) in batch.into_iter().zip(answers) {
                let _ = asked.answer.send(Ok(answer));
            }
        }
        Ok(_) => {
            for asked in batch {
                let _ = asked.answer.send(Err(Error::internal("a batch was answered in part")));
            }
        }
        Err(error) => {
            for asked in batch {
                let _ = asked.answer.send(Err(error.again()));
            }
        }
    }
}
