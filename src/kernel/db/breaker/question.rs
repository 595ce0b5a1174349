//! Asking the database whether it is there.

use std::io;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{sleep, timeout};

use super::parts::{Parts, Phase};
use crate::kernel::error::is_lost;

/// What answers later than this is away.
const ANSWERS_WITHIN: Duration = Duration::from_millis(1_500);
/// Between two questions while it is away.
const PAUSE: Duration = Duration::from_secs(1);
/// Until a socket is tried again whose queue is full.
const FULL: Duration = Duration::from_millis(50);
/// A connection that is open already answers within that, where no new one is to be had.
const TESTIFIES_WITHIN: Duration = Duration::from_millis(300);

/// Ends with the first answer, or when nobody needs the database any more.
pub(super) async fn ask_until_it_answers(breaker: Weak<Parts>) {
    loop {
        let Some(parts) = breaker.upgrade() else { return };
        match parts.is_there().await {
            Ok(()) => return parts.close(),
            Err(why) => parts.open(&why),
        }
        drop(parts);
        sleep(PAUSE).await;
        if let Some(parts) = breaker.upgrade() {
            parts.state.send_modify(|state| state.phase = Phase::HalfOpen);
        }
    }
}

impl Parts {
    async fn is_there(&self) -> Result<(), String> {
        let began = self.now();
        match timeout(ANSWERS_WITHIN, question(&self.options)).await {
            // The fault may be on the way: no file descriptor left here, or a proxy that takes no
            // more.
            Ok(Err(error)) if is_lost(&error) => {
                if self.an_open_connection_answers(began).await {
                    Ok(())
                } else {
                    Err(error.to_string())
                }
            }
            // One that refuses a connection in words is there: it has too many, or wants another
            // password.
            Ok(_) => Ok(()),
            // Too busy for one more connection, but not for those that it has.
            Err(_) if self.heard.load(Ordering::Relaxed) > began => Ok(()),
            Err(_) => Err(format!("no answer within {} ms", ANSWERS_WITHIN.as_millis())),
        }
    }

    /// Whether the database is heard by a connection that was there before. One that has gone
    /// closes them all.
    async fn an_open_connection_answers(&self, began: u64) -> bool {
        let Some(open) = self.open.get().and_then(Weak::upgrade) else { return false };
        let asked = async {
            if open.testify().await {
                return true;
            }
            // Those that are lent out show it by what is answered to others.
            while self.heard.load(Ordering::Relaxed) <= began {
                sleep(FULL).await;
            }
            true
        };
        timeout(TESTIFIES_WITHIN, asked).await.unwrap_or(false)
    }
}

async fn question(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    loop {
        match PgConnection::connect_with(options).await {
            // A Unix socket whose queue is full: frozen, or just many at once.
            Err(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                sleep(FULL).await;
            }
            Err(error) => return Err(error),
            Ok(mut connection) => {
                connection.execute("select 1").await?;
                let _ = connection.close().await;
                return Ok(());
            }
        }
    }
}
