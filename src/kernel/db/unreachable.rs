//! Why a connection was refused, for whoever set `DATABASE_URL`: what the driver says, and what to
//! do about it.

use std::io::ErrorKind;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// In one line, without anything of the URL that is secret.
#[must_use]
pub fn told(options: &PgConnectOptions, error: &sqlx::Error) -> String {
    format!("{error} ({})", advice(options, error))
}

fn advice(options: &PgConnectOptions, error: &sqlx::Error) -> String {
    let mode = mode(options.get_ssl_mode());
    let verifies = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    let text = error.to_string();
    if text.contains("does not support TLS") {
        return format!(
            "sslmode={mode} in DATABASE_URL asks for TLS, which this server does not speak: turn \
             `ssl` on there, or, where nobody else is on the way to it, set sslmode=prefer"
        );
    }
    if text.contains("certificate") || matches!(error, sqlx::Error::Tls(_)) {
        return format!(
            "sslmode={mode} in DATABASE_URL asks for a certificate that a known authority made for \
             `{}`: name the authority with &sslrootcert=/path/ca.pem, and the host as its \
             certificate does; sslmode=require encrypts without asking who is there",
            options.get_host()
        );
    }
    match error {
        sqlx::Error::Io(error)
            if verifies
                && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) =>
        {
            format!(
                "sslmode={mode} in DATABASE_URL reads a file that sslrootcert, sslcert or sslkey \
                    names: check that it is there and readable"
            )
        }
        _ if text.contains("no encryption") => {
            format!(
                "the server wants TLS, and sslmode={mode} in DATABASE_URL does without: set \
                    sslmode=verify-full, or sslmode=require"
            )
        }
        _ => "check DATABASE_URL".to_owned(),
    }
}

fn mode(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}
