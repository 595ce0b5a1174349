//! A stage for tests of races: it brings two changes of access to overlap where that hurts, and
//! takes their locks out, to show that a test would notice. It rides with the task of one request,
//! and a release build has none of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use sqlx::PgConnection;

use crate::kernel::db::Transaction;

/// What a test does at one of the moments.
pub type Step<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a test does at the two moments that decide a race.
pub trait Rehearsal: Send + Sync + fmt::Debug {
    /// The transaction has begun and has locked nothing. Where this answers `false`, it goes on
    /// without its locks.
    fn before_locks<'a>(&'a self, connection: &'a mut PgConnection) -> Step<'a, bool>;
    /// Everything is done but the COMMIT.
    fn before_commit<'a>(&'a self, connection: &'a mut PgConnection) -> Step<'a, ()>;
}

tokio::task_local! {
    static REHEARSAL: Arc<dyn Rehearsal>;
}

/// Runs a request under a rehearsal.
pub async fn rehearse<F: Future>(rehearsal: Arc<dyn Rehearsal>, request: F) -> F::Output {
    REHEARSAL.scope(rehearsal, request).await
}

pub(super) async fn before_locks(connection: &mut PgConnection) -> bool {
    match REHEARSAL.try_with(Arc::clone) {
        Ok(rehearsal) => rehearsal.before_locks(connection).await,
        Err(_) => true,
    }
}

pub(super) async fn before_commit(mut transaction: Transaction) -> Transaction {
    if let Ok(rehearsal) = REHEARSAL.try_with(Arc::clone) {
        rehearsal.before_commit(&mut transaction).await;
    }
    transaction
}
