//! What somebody may do, asked instead of tried: by applications before they act
//! (`/api/access/check`, and AuthZEN's endpoints), and by people who wonder why
//! (`/api/access/explain`). The answers are the guards' own: roles are loaded, merged and compared
//! by the code that lets requests in (`context::asking`).

mod advice;
mod authzen;
mod authzen_body;
mod authzen_decision;
mod authzen_routes;
mod check_routes;
mod deciding;
mod explain;
mod explain_routes;

use std::collections::BTreeSet;

use utoipa_axum::router::OpenApiRouter;

use crate::access::Operation;
use crate::access::decision::{Target, Verdict};
use crate::access::tables::{Members, Read};
use crate::context::Grant;
use crate::context::asking::{AskedScope, Asking, Located, Subject};
use crate::http::app::App;
use crate::kernel::error::{Code, Error, FieldError, Result};
use crate::kernel::ids::UserId;
use crate::kernel::missing::Thing;

pub fn routes(app: &App) -> OpenApiRouter<App> {
    check_routes::routes(app).merge(explain_routes::routes(app)).merge(authzen_routes::routes(app))
}

/// The most questions that are asked at once.
const MAX_QUESTIONS: usize = 100;

/// May the subject do this to a row of that owner; without one, to any row at all?
#[derive(Debug, Clone)]
struct Question {
    asked: AskedAccess,
    owner: Option<UserId>,
}

#[derive(Debug, Clone)]
enum AskedAccess {
    Rows(String, Operation),
    View(String),
}

impl Question {
    fn target(&self) -> Target<'_> {
        match &self.asked {
            AskedAccess::Rows(table, operation) => Target::Rows(table, *operation),
            AskedAccess::View(view) => Target::View(view),
        }
    }

    /// The question that these members of a body at `base` ask: about a table's rows, or about a
    /// view.
    fn of_body(
        base: &str,
        table: Option<String>,
        operation: Option<Operation>,
        view: Option<String>,
        owner: Option<UserId>,
    ) -> Result<Self, FieldError> {
        let wrong = |member: &str, code: &'static str, detail: &str| {
            Err(FieldError::new(format!("{base}/{member}"), code, detail))
        };
        match (table, operation, view) {
            (Some(table), Some(operation), None) => {
                Ok(Self { asked: AskedAccess::Rows(table, operation), owner })
            }
            (None, None, Some(_)) if owner.is_some() => {
                wrong("ownerId", "not_applicable", "must be left out: nobody owns a view")
            }
            (None, None, Some(view)) => Ok(Self { asked: AskedAccess::View(view), owner: None }),
            (_, _, Some(_)) => {
                wrong("view", "exactly_one", "or `table` and `operation` must be given, not both")
            }
            (Some(_), None, None) => wrong("operation", "required", "is required"),
            (None, _, None) => wrong("table", "required", "is required, or `view` in its place"),
        }
    }

    /// 422: no scope knows it. `base` is where the question stands in the body.
    fn unknown(&self, base: &str) -> FieldError {
        let (member, code, what) = match self.asked {
            AskedAccess::Rows(..) => (
                "table",
                "unknown_table",
                "is not a table of the mandate, nor of a feature that is open here",
            ),
            AskedAccess::View(_) => {
                ("view", "unknown_view", "is not a view of a feature that is open here")
            }
        };
        FieldError::new(format!("{base}/{member}"), code, what)
    }
}

/// The member whom questions are about, where the caller may read them: 403 where they may read
/// nobody, 404 where not this one.
async fn member(asking: &Asking, user: UserId) -> Result<Subject> {
    let context = asking.context();
    let grant: Grant<Members, Read> = context.grant()?;
    Ok(asking.member(&context.member(&grant, user).await?))
}

/// Oneself, or a member whom the caller may read.
async fn subject(asking: &Asking, user: Option<UserId>) -> Result<Subject> {
    match user {
        Some(other) if other != asking.context().caller().user() => {
            member(asking, other).await.map_err(|refusal| {
                if refusal.code() == Code::NotFound {
                    Thing::User.missing("/userId")
                } else {
                    refusal
                }
            })
        }
        _ => Ok(asking.oneself()),
    }
}

/// Where what is asked about is, also where it is disabled: that is then explained. 422 where no
/// scope knows it.
async fn located(subject: &mut Subject, question: &Question) -> Result<AskedScope> {
    match subject.locate(question.target()).await {
        Ok(Located::Here(scope)) => Ok(scope),
        Ok(Located::Unknown) => Err(question.unknown("").into()),
        Err(missing) if missing.code() == Code::InstanceContextMissing => {
            subject.locate_what_is_disabled(question.target()).await?.ok_or(missing)
        }
        Err(error) => Err(error),
    }
}

/// Answers all questions about one subject. `base` tells where the nth one stands in the body.
async fn answered(
    subject: &mut Subject,
    questions: &[Question],
    base: impl Fn(usize) -> String,
) -> Result<Vec<Verdict>> {
    let (mut scopes, mut unknown) = (Vec::with_capacity(questions.len()), Vec::new());
    for (index, question) in questions.iter().enumerate() {
        match subject.locate(question.target()).await? {
            Located::Here(scope) => scopes.push(scope),
            Located::Unknown => unknown.push(question.unknown(&base(index))),
        }
    }
    if !unknown.is_empty() {
        return Err(Error::invalid(unknown));
    }
    let questions: Vec<_> = questions.iter().zip(&scopes).collect();
    verdicts(subject, &questions).await
}

/// The verdicts on questions whose tables were found.
async fn verdicts(
    subject: &Subject,
    questions: &[(&Question, &AskedScope)],
) -> Result<Vec<Verdict>> {
    // Who is near is asked of the database only where an answer depends on it.
    let depends =
        |(question, scope): &&(&Question, &AskedScope)| scope.level(question.target()).is_group();
    let owners: BTreeSet<UserId> =
        questions.iter().filter(depends).filter_map(|(question, _)| question.owner).collect();
    let peers = subject.peers_among(&owners).await?;
    Ok(questions
        .iter()
        .map(|(question, scope)| subject.verdict(scope, question.target(), question.owner, &peers))
        .collect())
}
