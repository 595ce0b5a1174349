//! Where values come from, and how they are shown.

use super::*;

#[test]
fn nothing_set_gives_the_defaults() {
    let folder = folder("");
    let loaded = load_in(folder.path(), &[("PATH", "/bin"), ("DATABASE", "x")]).unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(settings.metrics_listen, Some("127.0.0.1:9090".parse().unwrap()));
    assert_eq!(settings.data_dir, folder.path().join("./.bailiwick"));
    assert!(settings.database_url.is_none() && settings.secret_key.is_none());
    assert!(settings.postgres_fetch && settings.rate_limits && !settings.require_if_match);
    assert!(settings.trusted_proxies.is_empty());
    assert_eq!(settings.log_format, LogFormat::Auto);
    assert_eq!(settings.log, "info");
    assert_eq!(settings.access_token_minutes, 15);
    assert_eq!(settings.session_days, 30);
    assert!((1..=64).contains(&settings.password_workers));
    assert_eq!(settings.password_queue, None);
    assert_eq!(settings.database_pool, 16);
    assert_eq!(settings.body_timeout.as_secs(), 30);
    assert_eq!(settings.request_timeout.as_secs(), 60);
    assert_eq!(settings.max_body_bytes, 64 * 1024);
    let limits = &settings.rate_limits_per_minute;
    let limits = [
        limits.read,
        limits.list_mandates,
        limits.member_write,
        limits.write,
        limits.auth,
        limits.check,
        limits.work,
        limits.default,
    ];
    assert_eq!(limits.map(std::num::NonZeroU32::get), [60, 30, 30, 10, 10, 6000, 600, 120]);
    let others = &settings.rate_limits_per_minute;
    assert_eq!((others.auth_address.get(), others.public.get()), (100, 600));
    assert!(loaded.sources.iter().all(|row| row.source == "default"));
}

#[test]
fn environment_wins_over_file_wins_over_default() {
    let file = "
        listen = '0.0.0.0:1'
        session_days = 7
        require_if_match = true
        trusted_proxies = ['10.0.0.0/8', '::1']
        [rate_limits_per_minute]
        list-mandates = 5
        read = 6
    ";
    let environment = [
        ("BAILIWICK_LISTEN", "0.0.0.0:2"),
        ("BAILIWICK_RATE_LIMIT_LIST_MANDATES", "8"),
        ("BAILIWICK_METRICS_LISTEN", "off"),
    ];
    let folder = folder(file);
    let loaded = load_in(folder.path(), &environment).unwrap();
    let path = folder.path().join("bailiwick.toml").display().to_string();
    let name = |part| format!("rate_limits_per_minute.{part}");
    for (name, expected) in [
        ("listen", ("0.0.0.0:2", "BAILIWICK_LISTEN")),
        ("metrics_listen", ("off", "BAILIWICK_METRICS_LISTEN")),
        ("session_days", ("7", path.as_str())),
        ("require_if_match", ("on", path.as_str())),
        ("trusted_proxies", ("10.0.0.0/8,::1/128", path.as_str())),
        ("database_pool", ("16", "default")),
        (&name("list-mandates"), ("8", "BAILIWICK_RATE_LIMIT_LIST_MANDATES")),
        (&name("read"), ("6", path.as_str())),
        (&name("write"), ("10", "default")),
    ] {
        assert_eq!(source(&loaded, name), expected, "{name}");
    }
    assert_eq!(loaded.settings.listen.port(), 2);
    assert_eq!(loaded.settings.metrics_listen, None);
    assert_eq!(loaded.settings.rate_limits_per_minute.list_mandates.get(), 8);
}

#[test]
fn the_file_may_be_elsewhere_but_must_be_there() {
    let folder = folder("session_days = 7");
    let other = folder.path().join("other.toml");
    fs::write(&other, "session_days = 8").unwrap();
    let other = other.display().to_string();
    for named in ["other.toml", other.as_str()] {
        let loaded = load_in(folder.path(), &[("BAILIWICK_CONFIG", named)]).unwrap();
        assert_eq!(source(&loaded, "session_days"), ("8", other.as_str()));
        assert_eq!(source(&loaded, "config_file"), (named, "BAILIWICK_CONFIG"));
    }
    assert_eq!(
        problems(&[("BAILIWICK_CONFIG", "none.toml")], "session_days = 7"),
        ["config_file (BAILIWICK_CONFIG): there is no file `none.toml`; expected a path"]
    );
    assert_eq!(
        problems(&[], "config_file = 'x'"),
        ["bailiwick.toml: `config_file` cannot be set in the file; set BAILIWICK_CONFIG"]
    );
}

#[test]
fn secrets_come_from_files_too() {
    let folder = folder("database_url = 'postgres://file/file'");
    fs::write(folder.path().join("url"), format!("{DATABASE}\n")).unwrap();
    fs::write(folder.path().join("key"), format!("{KEY}\r\n")).unwrap();
    let environment = [
        ("DATABASE_URL_FILE", "url"),
        ("BAILIWICK_SECRET_KEY_FILE", "key"),
        ("BAILIWICK_ISSUER", "https://id.example.org"),
    ];
    let loaded = load_in(folder.path(), &environment).unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.database_url.as_ref().unwrap().expose(), DATABASE);
    assert_eq!(settings.secret_key.as_ref().unwrap().to_base64(), KEY);
    let place = folder.path().display();
    assert_eq!(
        source(&loaded, "database_url"),
        (
            "postgres://app:***@db.example.org:5432/app",
            format!("DATABASE_URL_FILE {place}/url").as_str()
        )
    );
    assert_eq!(
        source(&loaded, "secret_key"),
        ("***", format!("BAILIWICK_SECRET_KEY_FILE {place}/key").as_str())
    );
}

#[test]
fn secrets_are_printed_nowhere() {
    let environment = [
        ("DATABASE_URL", DATABASE),
        ("BAILIWICK_SECRET_KEY", KEY),
        ("BAILIWICK_ISSUER", "https://id.example.org"),
    ];
    let loaded = load(&environment, "").unwrap();
    let printed = format!("{loaded:?} {loaded:#?} {}", loaded.to_table());
    assert!(!printed.contains("hunter2") && !printed.contains(KEY));
    assert!(!printed.contains("[48, 49"), "the bytes of the key");

    let secret_file = folder("");
    fs::write(secret_file.path().join("secret"), "hunter2").unwrap();
    let file = secret_file.path().join("secret").display().to_string();
    let broken: [(&[(&str, &str)], &str); 8] = [
        (&[("DATABASE_URL", "mysql://app:hunter2@db/app")], ""),
        (&[("DATABASE_URL", "postgres://app:hunter2@db/a pp")], ""),
        (&[("BAILIWICK_SECRET_KEY", "hunter2")], ""),
        (&[("BAILIWICK_SECRET_KEY_FILE", &file)], ""),
        (&[("BAILIWICK_ISSUER", "https://me:hunter2@id.example.org")], ""),
        (&[], "database_url = 'hunter2"),
        (&[], "database_url = ['hunter2']"),
        (&[], "database_url = 'x'\ndatabase_url = 'hunter2'"),
    ];
    for (environment, file) in broken {
        let errors = load(environment, file).unwrap_err();
        let printed = format!("{errors} {errors:?}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn the_table_is_aligned() {
    let table = load(&[("BAILIWICK_SESSION_DAYS", "7")], "").unwrap().to_table();
    let lines: Vec<&str> = table.lines().collect();
    let column = lines[0].find("SOURCE").unwrap();
    assert_eq!(lines.len(), table::everything().len() + 1);
    assert!(lines[1..].iter().all(|line| {
        let (before, source) = line.split_at(column);
        before.ends_with("  ") && !source.starts_with(' ')
    }));
    assert!(lines.iter().any(|line| line.starts_with("session_days ")
        && line.contains(" 7 ")
        && line.ends_with("  BAILIWICK_SESSION_DAYS")));
}

#[test]
fn the_documentation_is_the_table() {
    let documents = documentation();
    let loaded = load(&[], "").unwrap();
    let names: Vec<_> = documents.iter().map(|row| row.name).collect();
    let shown: Vec<_> = loaded.sources.iter().map(|row| row.name).collect();
    assert_eq!(names, shown);

    let mut variables = table::known_variables();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), table::known_variables().len());
    let with_files: Vec<_> =
        (documents.iter()).filter_map(|row| row.file_environment_name.as_deref()).collect();
    assert_eq!(
        with_files,
        [
            "DATABASE_URL_FILE",
            "BAILIWICK_SECRET_KEY_FILE",
            "BAILIWICK_SECRET_KEY_OLD_FILE",
            "BAILIWICK_SMTP_URL_FILE"
        ]
    );
    for row in &documents {
        // A variable is the key in capitals, or a limit's, so that who knows one knows the other.
        let key = row.name.replace("rate_limits_per_minute.", "rate_limit_");
        let key = key.replace('-', "_").to_ascii_uppercase();
        let expected = match row.name {
            "database_url" => key,
            "config_file" => "BAILIWICK_CONFIG".to_owned(),
            _ => format!("BAILIWICK_{key}"),
        };
        assert_eq!(row.environment_name, expected);
        assert!(!row.default.is_empty() && !row.expected.is_empty());
        assert!(row.meaning.ends_with('.'));
    }
}
