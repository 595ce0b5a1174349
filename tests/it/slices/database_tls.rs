//! TLS to the database: what is refused names the setting that asks for it, and what to do.

use crate::harness::networked::Networked;
use crate::harness::process::{PROGRAM, Said, said, without_settings};

/// What a command says to a database URL, which holds a password that it does not repeat.
async fn migrate(server: &Networked, host: &str, database: &str, parameters: &str) -> Said {
    let mut command = without_settings(PROGRAM);
    let url = format!("postgres://postgres:hunter2@{host}:{}/{database}?{parameters}", server.port);
    command.env("DATABASE_URL", url).env("BAILIWICK_ISSUER", "http://localhost");
    command
        .env("BAILIWICK_SECRET_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
        .arg("migrate");
    let said = said(command).await;
    assert!(
        !said.text.contains("hunter2") && (said.well || said.text.trim().lines().count() == 1),
        "{}",
        said.text
    );
    said
}

fn refused(said: &Said, words: &[&str]) {
    assert!(!said.well, "{}", said.text);
    for word in words {
        assert!(said.text.contains(word), "`{word}` is not in: {}", said.text);
    }
}

#[tokio::test]
async fn a_certificate_that_is_refused_names_the_mode_that_asks_for_it() {
    let server = Networked::start(true).await;
    let authority = server.authority.display().to_string();
    let trusted = format!("sslmode=verify-full&sslrootcert={authority}");

    let unknown = migrate(&server, "localhost", "encrypted", "sslmode=verify-full").await;
    refused(
        &unknown,
        &["certificate", "sslmode=verify-full in DATABASE_URL", "&sslrootcert=/path/ca.pem"],
    );
    let unknown = migrate(&server, "localhost", "encrypted", "sslmode=verify-ca").await;
    refused(
        &unknown,
        &["certificate", "sslmode=verify-ca in DATABASE_URL", "&sslrootcert=/path/ca.pem"],
    );
    let another_host = migrate(&server, "127.0.0.1", "encrypted", &trusted).await;
    refused(
        &another_host,
        &[
            "certificate",
            "sslmode=verify-full in DATABASE_URL",
            "`127.0.0.1`",
            "the host as its certificate does",
        ],
    );
    let no_file = migrate(
        &server,
        "localhost",
        "encrypted",
        "sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
    )
    .await;
    refused(&no_file, &["sslmode=verify-full in DATABASE_URL", "sslrootcert", "readable"]);
    let in_the_clear = migrate(&server, "localhost", "encrypted", "sslmode=disable").await;
    refused(
        &in_the_clear,
        &["the server wants TLS", "sslmode=disable in DATABASE_URL", "sslmode=verify-full"],
    );

    // What the messages tell to do helps.
    for (host, parameters) in [("localhost", trusted.as_str()), ("127.0.0.1", "sslmode=require")] {
        let said = migrate(&server, host, "encrypted", parameters).await;
        assert!(said.well, "{parameters}: {}", said.text);
    }
}

#[tokio::test]
async fn a_server_without_tls_names_the_mode_that_asks_for_it() {
    let server = Networked::start(false).await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let said = migrate(&server, "localhost", "postgres", &format!("sslmode={mode}")).await;
        refused(
            &said,
            &[
                "does not support TLS",
                &format!("sslmode={mode} in DATABASE_URL"),
                "turn `ssl` on",
                "sslmode=prefer",
            ],
        );
    }
    let said = migrate(&server, "localhost", "postgres", "sslmode=prefer").await;
    assert!(said.well, "{}", said.text);
}
