//! Settings, read once at start. They are checked as a whole before anything else happens: a
//! service that runs for an hour and then trips over a typo is worse than one that does not start,
//! and an operator who fixes one line only to be told about the next loses patience. Nothing else
//! in the service looks at the environment.

mod fails;
mod log_format;
mod reader;
mod rule;
mod secret;
mod shape;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod token_algorithm;
mod unknown;

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use reader::Reader;

use super::error::Error;
use super::mail::Mailer;
use super::tls::Authorities;

pub use fails::Fails;
pub use log_format::LogFormat;
pub(crate) use rule::TOKEN;
pub use secret::{Secret, SecretKey};
pub use source::SettingSource;
pub use table::{RateLimitsPerMinute, Settings};
pub use token_algorithm::TokenAlgorithm;

/// The `aud` of access tokens.
pub const AUDIENCE: &str = "bailiwick";

/// Settings together with where each came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub sources: Vec<SettingSource>,
}

/// Everything that is wrong with the settings, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<String>);

impl ConfigErrors {
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// One row of the settings table in the README.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDoc {
    /// The key in the file; a dot separates a table from its keys.
    pub name: &'static str,
    pub environment_name: &'static str,
    /// For secrets: the variable with the path of a file that holds the value.
    pub file_environment_name: Option<String>,
    pub default: String,
    /// What values are allowed.
    pub expected: String,
    pub meaning: &'static str,
}

/// What can be set, in the order in which `bailiwick config` shows it.
pub fn documentation() -> Vec<SettingDoc> {
    let document = |setting: table::Setting| SettingDoc {
        name: setting.name,
        environment_name: setting.environment_name,
        file_environment_name: setting.file_environment_name(),
        default: setting.fallback.documented(),
        expected: setting.expected,
        meaning: setting.meaning,
    };
    table::everything().into_iter().map(document).collect()
}

impl Settings {
    /// The settings of this process: its environment, and the file in its working folder or in
    /// `BAILIWICK_CONFIG`.
    pub fn load() -> Result<Loaded, ConfigErrors> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the environment is read; the rest of the service takes \
                `Settings`"
        )]
        let variables = std::env::vars_os();
        Self::assemble(variables, Path::new(""))
    }

    /// The same from a given environment; relative paths count from the given folder.
    pub fn load_from(
        environment: impl Iterator<Item = (String, String)>,
        working_folder: &Path,
    ) -> Result<Loaded, ConfigErrors> {
        let variables = environment.map(|(name, value)| (name.into(), value.into()));
        Self::assemble(variables, working_folder)
    }

    /// The `iss` of access tokens, given the address that the service really listens on (a port 0
    /// is known only then).
    pub fn issuer_at(&self, listening: SocketAddr) -> String {
        self.issuer.clone().unwrap_or_else(|| format!("http://{listening}"))
    }

    /// How long a session lasts at most.
    #[must_use]
    pub fn longest_session(&self) -> chrono::Duration {
        chrono::Duration::days(i64::from(self.session_days))
    }

    /// For how long it is good that somebody showed who they are.
    #[must_use]
    pub fn step_up_lasts(&self) -> chrono::Duration {
        chrono::Duration::minutes(i64::from(self.step_up_minutes))
    }

    /// With hashes of passwords at a cost that nobody may set: for tests, which make many.
    #[must_use]
    pub fn hashing_with(self, memory_kib: u32, iterations: u32) -> Self {
        Self { argon2_memory_kib: memory_kib, argon2_iterations: iterations, ..self }
    }

    /// How mail is sent: into a folder where one is named, else to a server; with the embedded
    /// database into a folder beside it.
    pub fn mailer(&self) -> Result<Mailer, Error> {
        let own = || self.database_url.is_none().then(|| self.data_dir.join("mail"));
        match (&self.mail_dir, &self.smtp_url) {
            (Some(folder), _) => Mailer::to_folder(&self.mail_from, folder.clone()),
            (None, Some(url)) => {
                let authorities = Authorities::of_file(self.ca_file.as_deref())?;
                Mailer::to_server(&self.mail_from, url.expose(), authorities)
            }
            (None, None) => own().map_or_else(
                || Ok(Mailer::nowhere()),
                |folder| Mailer::to_folder(&self.mail_from, folder),
            ),
        }
    }

    /// Whether people may make accounts of their own.
    pub fn is_registration_open(&self) -> bool {
        self.registration.unwrap_or(self.database_url.is_none())
    }

    fn assemble(
        variables: impl Iterator<Item = (OsString, OsString)>,
        working_folder: &Path,
    ) -> Result<Loaded, ConfigErrors> {
        let mut reader = Reader::new(&reader::environment(variables), working_folder);
        let settings = Self::read(&mut reader);
        reader.require_what_the_database_needs();
        reader.require_what_an_old_key_needs();
        reader.require_what_mail_needs();
        reader.require_what_registration_needs(
            settings.as_ref().is_some_and(|settings| settings.registration == Some(true)),
        );
        if let Some(settings) = &settings
            && settings.metrics_listen == Some(settings.listen)
            && settings.listen.port() != 0
        {
            reader.refuse_shared_address(settings.listen);
        }
        let (sources, problems) = reader.finish();
        match settings {
            Some(mut settings) if problems.is_empty() => {
                settings.data_dir = working_folder.join(settings.data_dir);
                settings.mail_dir = settings.mail_dir.map(|folder| working_folder.join(folder));
                settings.ca_file = settings.ca_file.map(|file| working_folder.join(file));
                Ok(Loaded { settings, sources })
            }
            _ => Err(ConfigErrors(problems)),
        }
    }
}

impl Loaded {
    /// What `bailiwick config` prints: name, value and source in aligned columns.
    pub fn to_table(&self) -> String {
        let width = |column: fn(&SettingSource) -> &str, title: &str| {
            let cells = self.sources.iter().map(|row| column(row).chars().count());
            cells.max().unwrap_or_default().max(title.len())
        };
        let (name, value) = ("SETTING", "VALUE");
        let names = width(|row| row.name, name);
        let values = width(|row| &row.value, value);
        let mut table = format!("{name:names$}  {value:values$}  SOURCE\n");
        for row in &self.sources {
            // Writing to a `String` cannot fail.
            let _ = writeln!(table, "{:names$}  {:values$}  {}", row.name, row.value, row.source);
        }
        table
    }
}
