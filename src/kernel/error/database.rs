//! What of the database's own refusals and failures clients are told.

use super::code::Code;
use super::failure::{Error, Result};
use super::field::FieldError;

/// What PostgreSQL answers to U+0000 in a text.
const UNSTORABLE_CHARACTER: &str = "22021";
/// What it answers when a statement's time is up.
const CANCELLED: &str = "57014";

/// Whether there is no connection (any more): nobody listens, the server starts or stops, or the
/// connection broke.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(told) => told.code().is_some_and(|code| {
            code.starts_with("08")
                || ["57P01", "57P02", "57P03", "57P05", "25P03"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

impl Error {
    /// It is there, and did not answer in time.
    pub(crate) fn database_too_slow() -> Self {
        Self::new(Code::TimedOut, "The database took too long over this.")
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let database = error.as_database_error();
        let constraint = database.and_then(|e| e.constraint()).map(str::to_owned);
        match database.and_then(sqlx::error::DatabaseError::code).as_deref() {
            Some(UNSTORABLE_CHARACTER) => {
                return Self::from(FieldError::new(
                    "",
                    "invalid_characters",
                    "must not contain the character U+0000",
                ))
                .caused_by(error);
            }
            Some(CANCELLED) => {
                return Self::database_too_slow().caused_by(error);
            }
            _ => {}
        }
        match (&error, constraint.as_deref()) {
            (_, Some("last_mandate_admin")) => Self::last_mandate_admin().caused_by(error),
            (_, Some("last_sys_admin")) => Self::last_sys_admin().caused_by(error),
            (sqlx::Error::PoolTimedOut, _) => {
                Self::new(Code::Overloaded, "All database connections are busy.")
                    .retry_after(1)
                    .caused_by(error)
            }
            _ if is_lost(&error) || matches!(error, sqlx::Error::PoolClosed) => {
                Self::database_unavailable().caused_by(error)
            }
            _ => Self::internal(error),
        }
    }
}

/// Turns a violated constraint into the refusal that it stands for.
pub trait OnConstraint<T> {
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Error) -> Result<T>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|error| match error.as_database_error().and_then(|e| e.constraint()) {
            Some(violated) if violated == name => refusal(),
            _ => Error::from(error),
        })
    }
}

impl<T> OnConstraint<T> for Result<T> {
    fn on_constraint(self, name: &str, refusal: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|error| {
            let database = error
                .cause()
                .and_then(|c| c.downcast_ref::<sqlx::Error>())
                .and_then(|e| e.as_database_error());
            if database.and_then(|e| e.constraint()) == Some(name) { refusal() } else { error }
        })
    }
}
