//! What is refused, and in which words.

use std::ffi::OsString;

use super::*;

#[test]
fn every_problem_is_reported_at_once() {
    let file = "
        session_days = 366
        log_format = true
        require_if_match = 'yes'
        surprise = 1
        [rate_limits_per_minute]
        work = 0
    ";
    let environment = [
        ("BAILIWICK_LISTEN", "localhost:80\n80"),
        ("BAILIWICK_TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
        ("BAILIWICK_DATA_DIR", ""),
        ("BAILIWICK_ACCESS_TOKEN_MINUTES", "16"),
        ("BAILIWICK_LOG", "info,sqlx=louder"),
        ("BAILIWICK_LISTN", "127.0.0.1:80"),
    ];
    assert_eq!(
        problems(&environment, file),
        [
            "data_dir (BAILIWICK_DATA_DIR): is empty; unset it or give it a value; expected a path",
            "bailiwick.toml: unknown setting `surprise`: there is none with a name like it; remove \
                it",
            "unknown setting `BAILIWICK_LISTN`: did you mean `BAILIWICK_LISTEN`?",
            "listen (BAILIWICK_LISTEN): `localhost:80\\n80` is not valid; expected an IP address \
             and a port, such as 127.0.0.1:8080 or [::1]:8080",
            "trusted_proxies (BAILIWICK_TRUSTED_PROXIES): `10.0.0.0/8,proxy` is not valid; \
             expected IP addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7",
            "access_token_minutes (BAILIWICK_ACCESS_TOKEN_MINUTES): `16` is not valid; expected a \
             whole number from 1 to 15",
            "session_days (bailiwick.toml): `366` is not valid; expected a whole number from 1 to \
                365",
            "require_if_match (bailiwick.toml): `yes` is not valid; expected `on` or `off`",
            "log_format (bailiwick.toml): the type of the value is wrong; expected `text`, `json` \
                or `auto`",
            "log (BAILIWICK_LOG): `info,sqlx=louder` is not valid; expected a log filter, such as \
             info or info,sqlx=warn",
            "rate_limits_per_minute.work (bailiwick.toml): `0` is not valid; expected a whole \
             number from 1 to 4294967295",
        ]
    );
}

#[test]
fn only_one_newline_is_trimmed_from_a_secret_file() {
    let folder = folder("");
    fs::write(folder.path().join("key"), format!("{KEY}\n\n")).unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    for (file, wrong) in [
        ("key", "the value is not valid"),
        ("empty", "the file is empty"),
        ("none", "the file cannot be read: No such file"),
        (".", "the file cannot be read: Is a directory"),
    ] {
        let errors = load_in(folder.path(), &[("BAILIWICK_SECRET_KEY_FILE", file)]).unwrap_err();
        assert_eq!(errors.lines().len(), 1);
        assert!(
            errors.lines()[0].starts_with("secret_key (BAILIWICK_SECRET_KEY_FILE "),
            "{errors}"
        );
        assert!(errors.lines()[0].contains(wrong), "{errors}");
    }
}

#[test]
fn a_value_and_its_file_exclude_each_other() {
    let environment = [
        ("DATABASE_URL", DATABASE),
        ("DATABASE_URL_FILE", "/run/secrets/url"),
        ("BAILIWICK_SECRET_KEY", KEY),
        ("BAILIWICK_ISSUER", "https://id.example.org"),
    ];
    assert_eq!(
        problems(&environment, ""),
        ["database_url (DATABASE_URL and DATABASE_URL_FILE): are both set; unset one of them; \
          expected a URL that begins with postgres:// or postgresql://"]
    );
    // Only secrets are read from files.
    assert_eq!(
        problems(&[("BAILIWICK_LISTEN_FILE", "x")], ""),
        ["unknown setting `BAILIWICK_LISTEN_FILE`: did you mean `BAILIWICK_LISTEN`?"]
    );
}

#[test]
fn a_mail_server_needs_an_address_to_send_from() {
    let server = ("BAILIWICK_SMTP_URL", "smtps://mail.example.org");
    assert_eq!(
        problems(&[server], ""),
        ["mail_from (not set): required with `smtp_url`; set BAILIWICK_MAIL_FROM; expected an \
          address, such as accounts@example.org or Example <accounts@example.org>"]
    );
    let from = ("BAILIWICK_MAIL_FROM", "Example <accounts@example.org>");
    assert!(load(&[server, from], "").is_ok());
    let wrong = ("BAILIWICK_SMTP_URL", "smtp://me:hunter2@mail.example.org/path");
    let problems = problems(&[wrong, from], "").concat();
    assert!(problems.contains("smtp_url") && !problems.contains("hunter2"), "{problems}");
}

#[test]
fn registration_needs_mail() {
    let own = [
        ("DATABASE_URL", DATABASE),
        ("BAILIWICK_SECRET_KEY", KEY),
        ("BAILIWICK_ISSUER", "https://id.example.org"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&own[..], more].concat();
    let open = ("BAILIWICK_REGISTRATION", "on");
    assert_eq!(
        problems(&with(&[open]), ""),
        ["registration (BAILIWICK_REGISTRATION): `on` needs mail, and neither `smtp_url` nor \
          `mail_dir` is set; expected `on` or `off`"]
    );
    let folder = ("BAILIWICK_MAIL_DIR", "mail");
    assert!(load(&with(&[open, folder]), "").unwrap().settings.is_registration_open());
    assert!(!load(&with(&[folder]), "").unwrap().settings.is_registration_open());
    assert!(load(&[], "").unwrap().settings.is_registration_open(), "with the embedded database");
    let closed = ("BAILIWICK_REGISTRATION", "off");
    assert!(!load(&[closed], "").unwrap().settings.is_registration_open());
}

#[test]
fn a_database_of_ones_own_needs_a_key_and_an_issuer() {
    let missing = [
        "secret_key (not set): required with `database_url`; set BAILIWICK_SECRET_KEY; expected 32 \
         random bytes in standard base64, which `openssl rand -base64 32` makes",
        "issuer (not set): required with `database_url`; set BAILIWICK_ISSUER; expected an http or \
         https URL such as https://id.example.org, in lower case up to the path, without user, \
         trailing slash, query or fragment",
    ];
    assert_eq!(problems(&[("DATABASE_URL", DATABASE)], ""), missing);
    assert_eq!(problems(&[], &format!("database_url = '{DATABASE}'")), missing);
    let environment = [("DATABASE_URL", DATABASE), ("BAILIWICK_ISSUER", "https://id.example.org")];
    assert_eq!(problems(&environment, ""), missing[..1]);

    let loaded = load(&environment, &format!("secret_key = '{KEY}'")).unwrap();
    let elsewhere = "10.0.0.1:1".parse().unwrap();
    assert_eq!(loaded.settings.issuer_at(elsewhere), "https://id.example.org");
    let loaded = load(&[], "").unwrap();
    assert_eq!(loaded.settings.issuer_at(elsewhere), "http://10.0.0.1:1");
}

#[test]
fn what_is_wrong_elsewhere_does_not_pass_for_missing() {
    let environment = [
        ("DATABASE_URL", "mysql://hunter2"),
        ("BAILIWICK_SECRET_KEY", "hunter2"),
        ("BAILIWICK_ISSUER", "id.example.org"),
    ];
    assert_eq!(problems(&environment, "").len(), 3);
    assert_eq!(problems(&environment[..1], "secret_key = [").len(), 2);
}

#[test]
fn empty_values_are_refused() {
    for setting in table::everything() {
        for name in [Some(setting.environment_name.to_owned()), setting.file_environment_name()]
            .into_iter()
            .flatten()
        {
            let lines = problems(&[(&name, "")], "");
            let start = format!("{} ({name}): is empty; unset it or", setting.name);
            assert!(lines[0].starts_with(&start), "{lines:?}");
        }
    }
    assert_eq!(
        problems(&[], "log = ''"),
        ["log (bailiwick.toml): is empty; remove it or give it a value; expected a log filter, \
          such as info or info,sqlx=warn"]
    );
    let loaded = load(&[], "trusted_proxies = []").unwrap();
    assert_eq!(source(&loaded, "trusted_proxies").0, "(none)");
}

#[cfg(unix)]
#[test]
fn values_that_are_not_text_are_named() {
    use std::os::unix::ffi::OsStringExt as _;

    let broken = || OsString::from_vec(vec![b'x', 0xff]);
    let variables = [
        (OsString::from("BAILIWICK_DATA_DIR"), broken()),
        (OsString::from("SOMETHING_ELSE"), broken()),
        (broken(), broken()),
    ];
    let errors = Settings::assemble(variables.into_iter(), folder("").path()).unwrap_err();
    assert_eq!(
        errors.lines(),
        ["data_dir (BAILIWICK_DATA_DIR): the value is not valid UTF-8; expected a path"]
    );
}

#[test]
fn two_listeners_need_two_addresses() {
    let same = ("BAILIWICK_METRICS_LISTEN", "127.0.0.1:8080");
    assert_eq!(
        problems(&[same], ""),
        ["metrics_listen (BAILIWICK_METRICS_LISTEN): `127.0.0.1:8080` is also `listen` \
          (default); expected another address, or `off`"]
    );
    let any = [("BAILIWICK_LISTEN", "127.0.0.1:0"), ("BAILIWICK_METRICS_LISTEN", "127.0.0.1:0")];
    assert!(load(&any, "").is_ok());
}

#[test]
fn a_broken_file_is_one_line_with_its_place() {
    let lines = problems(&[("BAILIWICK_LISTEN", "x")], "log = 'info'\n\nlisten = 'x\n");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("bailiwick.toml: line 3 is not TOML: "), "{lines:?}");
}

#[test]
fn an_earlier_secret_key_needs_the_one_that_follows_it() {
    assert_eq!(
        problems(&[("BAILIWICK_SECRET_KEY_OLD", KEY)], ""),
        ["secret_key (not set): required with `secret_key_old`; set BAILIWICK_SECRET_KEY; \
             expected 32 random bytes in standard base64, which `openssl rand -base64 32` makes"]
    );
    assert_eq!(
        problems(&[("BAILIWICK_TOKEN_ALG", "RS256")], ""),
        ["token_alg (BAILIWICK_TOKEN_ALG): `RS256` is not valid; expected `EdDSA` or `ES256`"]
    );
}
