//! Names that nobody knows, and what is said of them.

use super::*;

#[test]
fn misspelt_names_are_answered_with_the_nearest() {
    for (wrong, right) in [
        ("BAILIWICK_LISTN", "BAILIWICK_LISTEN"),
        ("BAILIWICK_RATELIMITS", "BAILIWICK_RATE_LIMITS"),
        ("BAILIWICK_SECRET_KEY_FIEL", "BAILIWICK_SECRET_KEY_FILE"),
        ("BAILIWICK_DATABASE_URL", "DATABASE_URL"),
        ("BAILIWICK_ISSUER_URL", "BAILIWICK_ISSUER"),
        ("BAILIWICK_RATE_LIMIT_list-mandates", "BAILIWICK_RATE_LIMIT_LIST_MANDATES"),
    ] {
        let expected = format!("unknown setting `{wrong}`: did you mean `{right}`?");
        assert_eq!(problems(&[(wrong, "x")], ""), [expected]);
    }
    for (file, expected) in [
        ("listn = 'x'", "unknown setting `listn`: did you mean `listen`?"),
        (
            "[rate-limits-per-minute]",
            "unknown setting `rate-limits-per-minute`: did you mean `rate_limits_per_minute`?",
        ),
        (
            "[rate_limits_per_minute]\nlist_mandates = 1",
            "unknown setting `rate_limits_per_minute.list_mandates`: did you mean \
             `rate_limits_per_minute.list-mandates`?",
        ),
        (
            "'rate_limits_per_minute.read' = 1",
            "`rate_limits_per_minute.read`: must not be in quotes",
        ),
        (
            "rate_limits_per_minute = 5",
            "`rate_limits_per_minute`: the type of the value is wrong; expected a table",
        ),
    ] {
        assert_eq!(problems(&[], file), [format!("bailiwick.toml: {expected}")]);
    }
}

/// What nobody meant is no hint.
#[test]
fn names_that_are_near_to_none_are_answered_without_one() {
    for wrong in ["BAILIWICK_TLS_CERT", "BAILIWICK_TLS_KEY", "BAILIWICK_SMTP_HOST", "BAILIWICK_X"] {
        assert_eq!(
            problems(&[(wrong, "x")], ""),
            [format!("unknown setting `{wrong}`: there is none with a name like it; remove it")]
        );
    }
}

/// What people type who know other services.
#[test]
fn names_of_elsewhere_are_answered_with_ours() {
    let address = "which is an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080";
    for (wrong, right) in [
        ("BAILIWICK_PORT", "`BAILIWICK_LISTEN`"),
        ("BAILIWICK_HOST", "`BAILIWICK_LISTEN`"),
        ("BAILIWICK_BIND", "`BAILIWICK_LISTEN`"),
        ("BAILIWICK_METRICS_PORT", "`BAILIWICK_METRICS_LISTEN`"),
        ("BAILIWICK_DB_URL", "`DATABASE_URL`"),
        ("BAILIWICK_DB_PASSWORD", "`DATABASE_URL`"),
        ("BAILIWICK_POSTGRES_URL", "`DATABASE_URL`"),
        ("BAILIWICK_PUBLIC_URL", "`BAILIWICK_ISSUER`"),
        ("BAILIWICK_JWT_SECRET", "`BAILIWICK_SECRET_KEY`"),
        ("BAILIWICK_LOG_LEVEL", "`BAILIWICK_LOG`"),
        ("BAILIWICK_POOL_SIZE", "`BAILIWICK_DATABASE_POOL`"),
    ] {
        let lines = problems(&[(wrong, "8080")], "");
        assert!(
            lines[0].starts_with(&format!(
                "unknown setting `{wrong}`: did you mean {right}, which is "
            )),
            "{lines:?}"
        );
    }
    assert_eq!(
        problems(&[("BAILIWICK_PORT", "8080")], ""),
        [format!("unknown setting `BAILIWICK_PORT`: did you mean `BAILIWICK_LISTEN`, {address}?")]
    );
    assert_eq!(
        problems(&[], "port = 8080"),
        [format!("bailiwick.toml: unknown setting `port`: did you mean `listen`, {address}?")]
    );
}

#[test]
fn every_name_of_elsewhere_leads_to_a_setting_and_is_none() {
    let settings = table::everything();
    for (ours, others) in unknown::CALLED_ELSEWHERE {
        assert!(settings.iter().any(|setting| setting.name == ours), "{ours}");
        assert!(
            !others.iter().any(|other| settings.iter().any(|setting| setting.name == *other)),
            "{others:?}"
        );
    }
}

/// It would be ignored like any variable of somebody else's, and an embedded database would be
/// served in place of the one meant.
#[test]
fn a_misspelt_database_is_not_silently_another() {
    for (wrong, right) in [
        ("DATABASE_URI", "DATABASE_URL"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("database_url", "DATABASE_URL"),
        ("DATABASE_URLFILE", "DATABASE_URL_FILE"),
    ] {
        let expected = format!(
            "`{wrong}` is set, and `{right}` is not: rename it if that was meant, or unset it"
        );
        assert_eq!(problems(&[(wrong, DATABASE)], ""), [expected]);
    }
    let folder = folder("");
    fs::write(folder.path().join("url"), DATABASE).unwrap();
    fs::write(folder.path().join("revoked"), "-----BEGIN X509 CRL-----").unwrap();
    assert!(load_in(folder.path(), &[("DATABASE_URI_FILE", "url")]).is_err());
    assert!(
        load_in(
            folder.path(),
            &[
                ("DATABASE_CRL_FILE", "revoked"),
                ("DATABASE_UID_FILE", "none"),
                ("DATABASE_URI_FILE", ".")
            ]
        )
        .is_ok()
    );
    let meant = [
        ("DATABASE_URI", DATABASE),
        ("DATABASE_URL", DATABASE),
        ("BAILIWICK_SECRET_KEY", KEY),
        ("BAILIWICK_ISSUER", "https://id.example.org"),
    ];
    assert!(load(&meant, "").is_ok(), "what is somebody else's does not matter where ours is set");
    assert!(load(&meant[2..], &format!("database_url = '{DATABASE}'")).is_ok());
    assert!(
        load(
            &[("TEST_DATABASE_URL", DATABASE), ("DATABASE_HOST", DATABASE), ("DB_URL", DATABASE)],
            ""
        )
        .is_ok()
    );
}

#[test]
fn what_other_programs_call_theirs_is_not_taken_for_a_misspelt_database() {
    for (name, value) in [
        ("METABASE_URL", "https://metabase.example.org"),
        ("DATABASE_SSL", "true"),
        ("DATALAKE_URL", "x"),
        ("DATABASE_UID", "bob"),
        ("DATABASE_URI", "mysql://db.example.org/theirs"),
    ] {
        assert!(load(&[(name, value)], "").is_ok(), "{name}");
    }
}

#[test]
fn service_links_are_told_from_typos() {
    for (name, value) in [
        ("BAILIWICK_SERVICE_HOST", "10.0.0.1"),
        ("BAILIWICK_SERVICE_PORT_HTTP", "8080"),
        ("BAILIWICK_PORT", "tcp://10.0.0.1:8080"),
        ("BAILIWICK_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ] {
        let lines = problems(&[(name, value)], "");
        assert!(lines[0].contains("enableServiceLinks"), "{lines:?}");
    }
}
