//! Sign-ins that failed: counted by reason, and told in the platform's trail. Whoever tried learns
//! nothing of it, neither by the answer nor by its time.

use std::time::Duration;

use serde_json::json;
use tracing::Instrument;

use crate::context::Visitor;
use crate::context::audit::{self, Action, Event, ResourceType};
use crate::context::change::retrying;
use crate::http::app::App;
use crate::identity::lockout::{self, Trying};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::ids::UserId;
use crate::kernel::telemetry;

/// The event has been written by then, if the database has room for it. Nobody waits longer, for
/// whatever account.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a sign-in failed; for operators only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    UnknownAccount,
    AccountDisabled,
    /// The account has none, so that nobody can sign in with one.
    NoPassword,
    /// A hundred were wrong in a row: none is right until it is reset.
    PasswordSpent,
    WrongPassword,
    /// Too many attempts before; whoever tries is not let try.
    Locked,
}

impl Reason {
    const ALL: [Self; 6] = [
        Self::UnknownAccount,
        Self::AccountDisabled,
        Self::NoPassword,
        Self::PasswordSpent,
        Self::WrongPassword,
        Self::Locked,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::UnknownAccount => "unknown_account",
            Self::AccountDisabled => "account_disabled",
            Self::NoPassword => "no_password",
            Self::PasswordSpent => "password_spent",
            Self::WrongPassword => "wrong_password",
            Self::Locked => "locked",
        }
    }
}

/// Counters begin at 0, so that the first failure is seen as one more.
pub(super) fn begin_to_count() {
    for reason in Reason::ALL {
        telemetry::failed_sign_ins(reason.name(), 0);
    }
}

/// One more, for the metrics.
pub(super) fn count(reason: Reason) {
    telemetry::failed_sign_ins(reason.name(), 1);
}

/// Tells of the failure, and answers what everybody is answered. In a task of its own: who hangs up
/// is told of too, and an event that cannot be written is the log's affair, not the caller's.
pub(super) async fn refused(
    app: &App,
    visitor: Visitor,
    (account, trying): (Option<UserId>, Trying),
    reason: Reason,
) -> Error {
    count(reason);
    let services = app.services().clone();
    let tell = async move {
        if let Err(error) =
            services.attended(retrying(|| record(&visitor, (account, &trying), reason))).await
        {
            let cause = error.cause().map(ToString::to_string);
            tracing::error!(
                code = error.code().name(),
                cause,
                "a failed sign-in is missing in the audit trail"
            );
        }
    };
    let told = tokio::spawn(tell.in_current_span());
    // Late is late for everybody.
    let _ = tokio::time::timeout(PATIENCE, told).await;
    Error::new(Code::InvalidCredentials, "The username or the password is wrong.")
}

async fn record(
    visitor: &Visitor,
    (account, trying): (Option<UserId>, &Trying),
    reason: Reason,
) -> Result<()> {
    let event = Event::of_nothing(Action::SignInFailed, ResourceType::Session)
        .details(json!({ "reason": reason.name() }));
    // The address may well be the account's owner's, and goes where they are erased. That of an
    // attempt on no account takes the same work, as nobody's.
    let event = event.address_of(account.unwrap_or(UserId::NOBODY));
    let event = account.into_iter().fold(event, Event::target);
    let mut writing = visitor.write().await?;
    lockout::failed(&mut writing, visitor, trying).await?;
    let recorded = audit::record_platform(&mut writing, visitor, event).await?;
    writing.commit(recorded).await
}
