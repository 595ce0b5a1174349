//! What makes a request that is sent again have one effect. It rides with the task of the request:
//! the transaction that does the effect claims the key when it begins, and does not commit when the
//! handler says so but waits for the answer, which is written into the same transaction. A crash at
//! any moment leaves effect and answer, or neither.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::act_as::ActAs;
use super::failpoint::{Moment, reach};
use super::transaction::Transaction;
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;

/// For how long after an erasure an answer may still hold a name that was read before it: longer
/// than any request takes, and more than the clocks of two nodes are apart.
const UNSETTLED: Duration = Duration::minutes(15);

tokio::task_local! {
    static ONCE: Arc<Once>;
}

/// A request with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Who asked, where, what, and the caller's own key: an HMAC.
    pub id: [u8; 32],
    /// Of query and body: an HMAC.
    pub fingerprint: [u8; 32],
    pub asked_by: UserId,
}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: i16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A request that is on its way.
struct Once {
    key: Key,
    now: DateTime<Utc>,
    /// A transaction of this request had the key.
    had_it: AtomicBool,
    came_to: Mutex<CameTo>,
}

/// How far it came.
enum CameTo {
    Nothing,
    /// The effect is done and not yet committed.
    Effect(Transaction),
    /// Somebody else was faster: what they were answered.
    Known(Answer),
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

/// What came of a request with a key.
#[derive(Debug)]
pub enum Finished<T> {
    /// It had no effect to remember; the answer as it was.
    Unchanged(T),
    /// It had one, which waits for its answer.
    Pending(T, Pending),
    /// The answer that was given before.
    Known(Answer),
}

/// An effect that lasts once its answer is kept; dropped, it never was.
#[derive(Debug)]
pub struct Pending {
    transaction: Transaction,
    once: Arc<Once>,
}

/// Runs a request under its key.
pub async fn once<F: Future>(key: Key, now: DateTime<Utc>, request: F) -> Finished<F::Output> {
    let once = Arc::new(Once {
        key,
        now,
        had_it: AtomicBool::new(false),
        came_to: Mutex::new(CameTo::Nothing),
    });
    let output = ONCE.scope(once.clone(), request).await;
    match once.take() {
        CameTo::Nothing => Finished::Unchanged(output),
        CameTo::Effect(transaction) => Finished::Pending(output, Pending { transaction, once }),
        CameTo::Known(answer) => Finished::Known(answer),
    }
}

impl Pending {
    /// Keeps the answer and makes the effect last.
    ///
    /// Whoever asked and whoever the answer names is locked against being erased until both are
    /// there. An erasure that was faster is waited for, and the answer, which may hold the name
    /// that it took away, is then kept without its content. (An erasure's own answer holds no
    /// name.) One that comes after finds the row and empties it ([`forget`]).
    pub async fn keep(mut self, answer: &Answer, until: DateTime<Utc>) -> Result<()> {
        self.transaction.act_as(ActAs::System).await?;
        let Once { key: Key { id, fingerprint, asked_by }, now, .. } = &*self.once;
        // A key may be used anew once its answer is out of date, whether or not the row has been
        // purged.
        sqlx::query!(
            "with named as (
               select erased_at, xmin from users where id = any (ids_in($4, $5) || $8::uuid)
                 order by id for key share),
             answer as (
               select coalesce(bool_or(erased_at > $7 and xmin <> pg_current_xact_id()::xid),
                   false) as forgotten from named)
             insert into idempotent_answers (id, fingerprint, status, headers, body, forgotten,
                 expires_at, asked_by)
             select $1, $2, $3, case when forgotten then '[]' else $4 end, case when forgotten
               then '' else $5 end, forgotten, $6, $8
             from answer
             on conflict (id) do update set fingerprint = excluded.fingerprint,
               status = excluded.status, headers = excluded.headers,
               body = excluded.body, forgotten = excluded.forgotten,
                 expires_at = excluded.expires_at, asked_by = excluded.asked_by",
            id.as_slice(),
            fingerprint.as_slice(),
            answer.status,
            Json(&answer.headers) as _,
            answer.body,
            until,
            *now - UNSETTLED,
            asked_by.uuid(),
        )
        .execute(&mut *self.transaction)
        .await?;
        reach(Moment::BeforeCommit);
        self.transaction.commit().await?;
        reach(Moment::BeforeAnswer);
        Ok(())
    }
}

impl Once {
    fn take(&self) -> CameTo {
        std::mem::replace(
            &mut self.came_to.lock().unwrap_or_else(PoisonError::into_inner),
            CameTo::Nothing,
        )
    }

    fn comes_to(&self, state: CameTo) {
        *self.came_to.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Takes the key for this transaction, or refuses at once: nobody waits on a connection for
    /// somebody else's answer.
    async fn claim(&self, connection: &mut PgConnection) -> Result<()> {
        if matches!(*self.came_to.lock().unwrap_or_else(PoisonError::into_inner), CameTo::Effect(_))
        {
            return Err(Error::internal(
                "a second writing transaction in a request whose first one waits for the answer",
            ));
        }
        let lock = self.key.id.first_chunk().map_or(0, |first| i64::from_be_bytes(*first));
        if self.had_it.swap(true, Ordering::Relaxed) {
            // A transaction of this request lost a race and is being rolled back: soon the lock is
            // free again.
            sqlx::query!("select pg_advisory_xact_lock($1)", lock)
                .fetch_one(&mut *connection)
                .await?;
        } else if !sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "free!""#, lock)
            .fetch_one(&mut *connection)
            .await?
        {
            return Err(Error::new(
                Code::IdempotencyInFlight,
                "A request with this Idempotency-Key is being worked on.",
            )
            .retry_after(1));
        }
        // Whoever had the lock may have committed between the guard's look and this one.
        if let Some(answer) = known(&mut *connection, &self.key, self.now).await? {
            self.comes_to(CameTo::Known(answer));
            return Err(Error::internal("answered before; the repetition gets that answer"));
        }
        Ok(())
    }
}

/// The answer that is kept under a key; 409 where it was to another request, 410 where it told of
/// somebody who was erased since.
pub(crate) async fn known(
    executor: impl PgExecutor<'_>,
    key: &Key,
    now: DateTime<Utc>,
) -> Result<Option<Answer>> {
    let kept = sqlx::query!(
        r#"select fingerprint, status, headers as "headers: Json<Vec<(String, String)>>", body,
             forgotten
           from idempotent_answers where id = $1 and expires_at > $2"#,
        key.id.as_slice(),
        now
    )
    .fetch_optional(executor)
    .await?;
    match kept {
        Some(kept) if kept.fingerprint != key.fingerprint => Err(Error::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another query or body before.",
        )),
        Some(kept) if kept.forgotten => {
            let detail = "The request had its effect, and is not done again. What it was answered \
                told of somebody who was erased since.";
            Err(Error::new(Code::AnswerErased, detail))
        }
        kept => Ok(kept.map(|kept| Answer {
            status: kept.status,
            headers: kept.headers.0,
            body: kept.body,
        })),
    }
}

/// Empties the answers that name somebody or one of these things of theirs, and those to their own
/// requests. That they were given stays known, so that no effect is had twice. For the transaction
/// that erases the person, after it has done so: from then on nobody keeps another one.
pub async fn forget(connection: &mut PgConnection, person: UserId, theirs: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "update idempotent_answers set headers = '[]', body = '', forgotten = true
         where (names @> array[$1::uuid] or names && $2 or asked_by = $1) and not forgotten",
        person.uuid(),
        theirs,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// For a transaction that begins: takes the request's key, where it has one, and notes that it
/// does.
pub(super) async fn claim(transaction: &mut Transaction) -> Result<()> {
    if let Ok(once) = ONCE.try_with(Arc::clone) {
        once.claim(transaction).await?;
        transaction.once = Some(Claim(once));
    }
    Ok(())
}

/// Whether the request has a key.
pub(super) fn is_asked() -> bool {
    ONCE.try_with(|_| ()).is_ok()
}

/// [`reach`], for moments that also come without anybody's request, as events are written.
pub(crate) fn reach_if_asked(moment: Moment) {
    if is_asked() {
        reach(moment);
    }
}

/// What a transaction has that took its request's key.
#[derive(Debug)]
pub(super) struct Claim(Arc<Once>);

impl Claim {
    /// Instead of a commit: the effect waits for the answer.
    pub(super) fn hold(self, transaction: Transaction) {
        self.0.comes_to(CameTo::Effect(transaction));
    }
}
