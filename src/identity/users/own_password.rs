//! Whether somebody knows their own password, where a session that somebody may have found open is
//! not enough.

use tracing::Instrument;

use super::erasure;
use crate::context::change::retrying;
use crate::context::{Caller, Recorded};
use crate::http::app::App;
use crate::identity::lockout::{self, Keys, Trying};
use crate::kernel::error::{Code, Error, Result};

/// 401 where it is another one, and 429 where that was tried too often: a counter of its own, so
/// that who guesses here keeps nobody from signing in. Hashed outside any transaction: locks do not
/// wait for it. Gives the caller at the time when it was found right.
pub async fn require_password(app: &App, caller: &Caller, password: String) -> Result<Caller> {
    let place = app.passwords().place()?;
    let keys = Keys::of_own_password(app, caller.user());
    let (caller, services) = (caller.clone(), app.services().clone());
    let attempt = async move {
        let (hash, trying) = retrying(|| let_try(&caller, keys.clone())).await?;
        let is_it = place.verify(password, hash).await?;
        // What became of the attempt is decided now, at another time than whether it may be made,
        // as at sign-in.
        let caller = caller.anew();
        retrying(|| conclude(&caller, &trying, is_it)).await?;
        if is_it { Ok(caller) } else { Err(wrong()) }
    };
    // A task of its own: whoever hangs up has tried all the same, and what is noted of it is not
    // undone with a request that is refused.
    let attempt = async move { services.attended(attempt).await };
    tokio::spawn(attempt.in_current_span()).await.map_err(Error::internal)?
}

/// The hash, once it is noted that somebody tries.
async fn let_try(caller: &Caller, keys: Keys) -> Result<(Option<String>, Trying)> {
    let mut writing = caller.write_in_earnest().await?;
    let hash = erasure::password_hash(&mut writing, caller.account()).await?;
    let trying = lockout::attempt(&mut writing, caller, keys, caller.now()).await??;
    writing.commit(Recorded::nothing_changed()).await?;
    Ok((hash, trying))
}

async fn conclude(caller: &Caller, trying: &Trying, is_it: bool) -> Result<()> {
    let mut writing = caller.write_in_earnest().await?;
    if is_it {
        lockout::succeeded(&mut writing, caller, trying).await?;
    } else {
        lockout::failed(&mut writing, caller, trying).await?;
    }
    writing.commit(Recorded::nothing_changed()).await
}

fn wrong() -> Error {
    Error::new(Code::InvalidCredentials, "The password is wrong.")
}
