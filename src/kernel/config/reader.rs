//! Finds the value of each setting and who set it. Figment keeps the layers (environment over file)
//! and remembers where a value came from; values stay text here instead of going through its
//! deserializer, because that stops at the first problem and quotes the value, secret or not.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::providers::{Format as _, Toml};
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::rule::SettingRule;
use super::secret::mask_url;
use super::shape::{Shape, Show};
use super::source::SettingSource;
use super::table::{
    DATABASE_URL, Fallback, LISTEN, MAIL_DIR, MAIL_FROM, METRICS_LISTEN, REGISTRATION, SECRET_KEY,
    SECRET_KEY_OLD, SMTP_URL, Setting, config_file, everything, known_variables,
};
use super::unknown;

const DEFAULT_FILE: &str = "bailiwick.toml";
const DEFAULT: &str = "default";

/// The service's part of the environment; `None` for a value that is not text.
pub(super) type Environment = BTreeMap<String, Option<String>>;

#[derive(Debug)]
pub(super) struct Reader {
    layers: Figment,
    /// Settings whose value could not be had; the reason is among the problems already.
    failed: BTreeSet<&'static str>,
    file_is_readable: bool,
    problems: Vec<String>,
    sources: Vec<SettingSource>,
}

impl Reader {
    pub(super) fn new(environment: &Environment, working_folder: &Path) -> Self {
        let mut reader = Self {
            layers: Figment::new(),
            failed: BTreeSet::new(),
            file_is_readable: true,
            problems: Vec::new(),
            sources: Vec::new(),
        };
        for setting in everything() {
            reader.take_variable(&setting, environment, working_folder);
        }
        reader.take_file(working_folder);
        reader.problems.extend(unknown::variables(environment));
        if !reader.is_set(DATABASE_URL) {
            reader.problems.extend(unknown::misspelt_database(environment, working_folder));
        }
        reader
    }

    /// The value of a setting, or `None` after noting what is wrong with it.
    pub(super) fn read<T: Show>(&mut self, setting: &Setting, rule: &SettingRule<T>) -> Option<T> {
        let (text, source) = self.find(setting)?;
        let Some(value) = (rule.check)(&text) else {
            let wrong = match setting.shape {
                Shape::Secret => "the value is not valid".to_owned(),
                _ => format!("`{}` is not valid", quoted(&text)),
            };
            self.refuse(setting, &source, &wrong);
            return None;
        };
        let words = setting.fallback.words().filter(|_| text.is_empty());
        self.sources.push(SettingSource {
            name: setting.name,
            environment_name: setting.environment_name,
            value: one_line(&words.unwrap_or_else(|| value.show())),
            source,
        });
        Some(value)
    }

    /// What a database of one's own makes necessary.
    pub(super) fn require_what_the_database_needs(&mut self) {
        // A file that could not be read may well hold what seems to be missing.
        if !self.file_is_readable || !self.is_set(DATABASE_URL) {
            return;
        }
        for setting in everything() {
            let needed = matches!(setting.fallback, Fallback::UnsetWhileEmbedded(_));
            if needed && !self.is_set(setting.name) {
                let wrong =
                    format!("required with `{DATABASE_URL}`; set {}", setting.environment_name);
                self.refuse(&setting, "not set", &wrong);
            }
        }
    }

    /// What the earlier secret key makes necessary: one that follows it. (A database of one's own
    /// needs it in any case.)
    pub(super) fn require_what_an_old_key_needs(&mut self) {
        let has_none = self.is_set(SECRET_KEY_OLD) && !self.is_set(SECRET_KEY);
        if !self.file_is_readable || !has_none || self.is_set(DATABASE_URL) {
            return;
        }
        for setting in everything().into_iter().filter(|setting| setting.name == SECRET_KEY) {
            let wrong =
                format!("required with `{SECRET_KEY_OLD}`; set {}", setting.environment_name);
            self.refuse(&setting, "not set", &wrong);
        }
    }

    /// What a mail server makes necessary: it takes mail from an address of its own only.
    pub(super) fn require_what_mail_needs(&mut self) {
        if !self.file_is_readable || !self.is_set(SMTP_URL) || self.is_set(MAIL_FROM) {
            return;
        }
        for setting in everything().into_iter().filter(|setting| setting.name == MAIL_FROM) {
            let wrong = format!("required with `{SMTP_URL}`; set {}", setting.environment_name);
            self.refuse(&setting, "not set", &wrong);
        }
    }

    /// What registration makes necessary: addresses are confirmed by mail.
    pub(super) fn require_what_registration_needs(&mut self, is_open: bool) {
        let has_mail = !self.is_set(DATABASE_URL) || self.is_set(SMTP_URL) || self.is_set(MAIL_DIR);
        if !is_open || !self.file_is_readable || has_mail {
            return;
        }
        let source = self.sources.iter().find(|row| row.name == REGISTRATION);
        let source = source.map_or(DEFAULT, |row| row.source.as_str()).to_owned();
        for setting in everything().into_iter().filter(|setting| setting.name == REGISTRATION) {
            let wrong =
                format!("`on` needs mail, and neither `{SMTP_URL}` nor `{MAIL_DIR}` is set");
            self.refuse(&setting, &source, &wrong);
        }
    }

    /// Two listeners on one address: the second would fail to start, long after the settings were
    /// accepted.
    pub(super) fn refuse_shared_address(&mut self, address: SocketAddr) {
        let source = |name| {
            let row = self.sources.iter().find(|row| row.name == name);
            row.map_or(DEFAULT, |row| row.source.as_str())
        };
        let (metrics, api) = (source(METRICS_LISTEN), source(LISTEN));
        self.problems.push(format!(
            "{METRICS_LISTEN} ({metrics}): `{address}` is also `{LISTEN}` ({api}); \
                expected another address, or `off`"
        ));
    }

    pub(super) fn finish(self) -> (Vec<SettingSource>, Vec<String>) {
        (self.sources, self.problems)
    }

    fn is_set(&self, name: &'static str) -> bool {
        self.failed.contains(name) || self.layers.contains(name)
    }

    fn find(&mut self, setting: &Setting) -> Option<(String, String)> {
        if self.failed.contains(setting.name) {
            return None;
        }
        let Ok(value) = self.layers.find_value(setting.name) else {
            return Some((setting.fallback.text(), DEFAULT.to_owned()));
        };
        let metadata = self.layers.get_metadata(value.tag());
        let source = metadata.map_or_else(String::new, |metadata| metadata.name.to_string());
        match setting.shape.text(&value) {
            None => self.refuse(setting, &source, "the type of the value is wrong"),
            // An empty list is a value; an empty text is a variable that somebody's template left
            // blank.
            Some(text) if text.is_empty() && !matches!(value, Value::Array(..)) => {
                self.refuse(setting, &source, "is empty; remove it or give it a value");
            }
            Some(text) => return Some((text, source)),
        }
        None
    }

    fn take_variable(
        &mut self,
        setting: &Setting,
        environment: &Environment,
        working_folder: &Path,
    ) {
        let file_name = setting.file_environment_name();
        let names: Vec<&str> = [Some(setting.environment_name), file_name.as_deref()]
            .into_iter()
            .flatten()
            .filter(|name| environment.contains_key(*name))
            .collect();
        let problems = self.problems.len();
        for &name in &names {
            match environment.get(name).and_then(Option::as_deref) {
                None => self.refuse(setting, name, "the value is not valid UTF-8"),
                Some("") => self.refuse(setting, name, "is empty; unset it or give it a value"),
                Some(_) => {}
            }
        }
        if self.problems.len() > problems {
            return;
        }
        let value = |name: &str| environment.get(name).cloned().flatten().unwrap_or_default();
        match names.as_slice() {
            [] => {}
            [name] if file_name.as_deref() == Some(name) => {
                self.take_secret_file(setting, name, &working_folder.join(value(name)));
            }
            [name] => self.layer(setting, (*name).to_owned(), value(name)),
            _ => self.refuse(setting, &names.join(" and "), "are both set; unset one of them"),
        }
    }

    fn take_secret_file(&mut self, setting: &Setting, variable: &str, path: &Path) {
        let source = format!("{variable} {}", one_line(&path.display().to_string()));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.refuse(setting, &source, &format!("the file cannot be read: {error}"));
                return;
            }
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            self.refuse(setting, &source, "the file is empty");
        } else {
            self.layer(setting, source, text.to_owned());
        }
    }

    /// Puts one value over all others.
    fn layer(&mut self, setting: &Setting, source: String, text: String) {
        let values = nest(setting.name, Value::from(text)).into_dict().unwrap_or_default();
        self.layers = std::mem::take(&mut self.layers).merge(Layer { source, values });
    }

    fn take_file(&mut self, working_folder: &Path) {
        let (setting, rule) = config_file();
        let Some(named) = self.read(&setting, &rule) else {
            self.file_is_readable = false;
            return;
        };
        let path = working_folder.join(named.as_deref().unwrap_or(Path::new(DEFAULT_FILE)));
        let source = one_line(&path.display().to_string());
        let values = match read_toml(&path) {
            Ok(Some(values)) => values,
            Ok(None) if named.is_none() => return,
            Ok(None) => {
                self.file_is_readable = false;
                self.refuse(
                    &setting,
                    setting.environment_name,
                    &format!("there is no file `{source}`"),
                );
                return;
            }
            Err(problem) => {
                self.file_is_readable = false;
                self.problems.push(format!("{source}: {problem}"));
                return;
            }
        };
        self.problems.extend(unknown::keys(&values, &source));
        // `join` puts it beneath the environment.
        self.layers = std::mem::take(&mut self.layers).join(Layer { source, values });
    }

    fn refuse(&mut self, setting: &Setting, source: &str, wrong: &str) {
        self.failed.insert(setting.name);
        let problem =
            format!("{} ({source}): {wrong}; expected {}", setting.name, setting.expected);
        self.problems.push(problem);
    }
}

/// Values with the name of where they come from.
struct Layer {
    source: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// Takes the variables that are meant for the service; what else is set is not its business.
pub(super) fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Environment {
    let known = known_variables();
    variables
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.into_string().ok()))
        .filter(|(name, _)| unknown::concerns_us(name, &known))
        .collect()
}

/// The file's values, `None` where there is no file. The parser's own text quotes the line, which
/// may hold a secret: only what it found and where is passed on.
fn read_toml(path: &PathBuf) -> Result<Option<Dict>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("the file cannot be read: {error}")),
    };
    Toml::from_str(&text).map(Some).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("line {line} is not TOML: {}", one_line(&error.message().replace('\n', ", ")))
    })
}

/// A value as a message may repeat it.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let text = one_line(&mask_url(text));
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Control characters escaped: one problem is one line, and no value plays tricks on a terminal.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}
