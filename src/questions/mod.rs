//! What somebody may do, asked instead of tried: by applications before they act (`/api/access/check`, and AuthZEN's endpoints),
//! and by people who wonder why (`/api/access/explain`). The answers are the guards' own: roles are loaded, merged and compared
//! by the code that lets requests in (`context::asking`).

mod authzen;
mod authzen_routes;
mod check_routes;
mod deciding;
mod explain;
mod explain_routes;

use std::collections::BTreeSet;

use utoipa_axum::router::OpenApiRouter;

use crate::access::Operation;
use crate::access::decision::Verdict;
use crate::access::tables::{Members, Read};
use crate::app::App;
use crate::context::Grant;
use crate::context::asking::{Asking, Located, Scope, Subject};
use crate::error::{Code, Error, FieldError, Result};
use crate::ids::UserId;
use crate::members;
use crate::missing::Thing;

pub fn routes(app: &App) -> OpenApiRouter<App> {
    check_routes::routes(app).merge(explain_routes::routes(app)).merge(authzen_routes::routes(app))
}

/// The most questions that are asked at once.
const MAX_QUESTIONS: usize = 100;

/// May the subject do this to a row of that owner; without one, to any row at all?
#[derive(Debug, Clone)]
struct Question {
    table: String,
    operation: Operation,
    owner: Option<UserId>,
}

impl Question {
    fn asked(&self) -> (&str, Operation) {
        (&self.table, self.operation)
    }
}

/// The member whom questions are about, where the caller may read them: 403 where they may read nobody, 404 where not this one.
async fn member(asking: &Asking, user: UserId) -> Result<Subject> {
    let context = asking.context();
    let grant: Grant<Members, Read> = context.grant()?;
    let mut reading = context.read().await?;
    let needed = members::nearness(&mut reading, &grant, user).await?.ok_or_else(Error::not_found)?;
    reading.finish().await?;
    grant.admit(needed)?;
    asking.member(&grant, user).await
}

/// Oneself, or a member whom the caller may read.
async fn subject(asking: &Asking, user: Option<UserId>) -> Result<Subject> {
    match user {
        Some(other) if other != asking.context().caller().user() => member(asking, other)
            .await
            .map_err(|refusal| if refusal.code() == Code::NotFound { Thing::User.missing("/userId") } else { refusal }),
        _ => Ok(asking.oneself()),
    }
}

/// Where the table of a question is; 422 where no scope knows it.
async fn located(subject: &mut Subject, question: &Question, pointer: &str) -> Result<Scope> {
    match subject.locate(&question.table).await? {
        Located::Here(scope) => Ok(scope),
        Located::Unknown => Err(unknown_table(pointer).into()),
    }
}

fn unknown_table(pointer: &str) -> FieldError {
    FieldError::new(pointer, "unknown_table", "is not a table of the mandate, nor of a feature that is open here")
}

/// Answers all questions about one subject. `pointer` tells where the table of the nth one stands in the body.
async fn answered(subject: &mut Subject, questions: &[Question], pointer: impl Fn(usize) -> String) -> Result<Vec<Verdict>> {
    let (mut scopes, mut unknown) = (Vec::with_capacity(questions.len()), Vec::new());
    for (index, question) in questions.iter().enumerate() {
        match subject.locate(&question.table).await? {
            Located::Here(scope) => scopes.push(scope),
            Located::Unknown => unknown.push(unknown_table(&pointer(index))),
        }
    }
    if !unknown.is_empty() {
        return Err(Error::invalid(unknown));
    }
    let questions: Vec<_> = questions.iter().zip(&scopes).collect();
    verdicts(subject, &questions).await
}

/// The verdicts on questions whose tables were found.
async fn verdicts(subject: &Subject, questions: &[(&Question, &Scope)]) -> Result<Vec<Verdict>> {
    // Who is near is asked of the database only where an answer depends on it.
    let depends = |(question, scope): &&(&Question, &Scope)| scope.level(&question.table, question.operation).is_group();
    let owners: BTreeSet<UserId> = questions.iter().filter(depends).filter_map(|(question, _)| question.owner).collect();
    let peers = subject.peers_among(&owners).await?;
    Ok(questions.iter().map(|(question, scope)| subject.verdict(scope, question.asked(), question.owner, &peers)).collect())
}
