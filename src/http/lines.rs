//! Bodies of many lines, each of which answers for itself: NDJSON, one object to a line, and CSV
//! (RFC 4180) with the names of the fields in its first line.

use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use csv::ByteRecord;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::body::{parse, read_body};
use crate::http::app::App;
use crate::kernel::error::{Code, Error, FieldError, Result};

/// The most lines of a body.
pub const MAX_LINES: usize = 1_000;
/// The most bytes of one, for its route's policy.
pub const MAX_BYTES: usize = 1 << 20;
/// How much of a text an answer repeats, in characters.
const MAX_SHOWN: usize = 320;

/// What stands in a line. CSV knows texts only: which of them are lists, and which numbers.
pub trait Columns: DeserializeOwned {
    /// The names of all fields; a file of CSV has no other columns.
    const ALL: &'static [&'static str];
    /// Lists, whose items are separated by `;`.
    const LISTS: &'static [&'static str] = &[];
    const NUMBERS: &'static [&'static str] = &[];
    /// Those by which whoever sent the file finds a line again.
    const TOLD: &'static [&'static str];
}

/// The lines of a body that are not empty.
#[derive(Debug)]
pub struct Lines<T> {
    pub lines: Vec<Line>,
    of: PhantomData<fn() -> T>,
}

/// One of them.
#[derive(Debug)]
pub struct Line {
    /// In the file, from 1.
    pub number: usize,
    /// As JSON.
    content: Result<Vec<u8>, FieldError>,
}

impl Line {
    /// What it says.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, FieldError> {
        let content = self.content.as_ref().map_err(Clone::clone)?;
        parse(content).map_err(|refusal| match refusal.errors().first() {
            Some(fault) => fault.clone(),
            None => FieldError::new("", refusal.code().name(), refusal.detail().to_owned()),
        })
    }

    #[cfg(test)]
    pub(super) fn examples(many: usize) -> Vec<Self> {
        let content = |_| Ok(br#"{"email": "erin@acme.example"}"#.to_vec());
        (1..=many).map(|number| Self { number, content: content(number) }).collect()
    }

    /// A text in it, for whoever looks for the line again; also where something else is wrong.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let content: Value = serde_json::from_slice(self.content.as_ref().ok()?).ok()?;
        Some(content.get(name)?.as_str()?.chars().take(MAX_SHOWN).collect())
    }
}

impl<T: Columns, S: Send + Sync> FromRequest<S> for Lines<T>
where
    App: FromRef<S>,
{
    type Rejection = Error;
    async fn from_request(mut request: Request, state: &S) -> Result<Self> {
        let split = splitter::<T>(&request)?;
        let bytes = read_body(&mut request, &App::from_ref(state)).await?;
        // Programs for spreadsheets write a byte order mark in front.
        let lines = split(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))?;
        if lines.len() > MAX_LINES {
            let detail = format!("may have at most {MAX_LINES} lines");
            let fault = FieldError::new("", "too_many_lines", detail);
            return Err(Error::of_the_body(Code::TooManyLines, fault));
        }
        Ok(Self { lines, of: PhantomData })
    }
}

type Split = fn(&[u8]) -> Result<Vec<Line>>;

/// How the body is taken apart; 415 for one that is neither.
fn splitter<T: Columns>(request: &Request) -> Result<Split> {
    let sent = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = sent.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" => Ok(of_ndjson),
        "text/csv" => Ok(of_csv::<T>),
        _ => {
            let detail = "The body must be sent as `application/x-ndjson` or as `text/csv`.";
            Err(Error::new(Code::UnsupportedMediaType, detail))
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "both kinds of lines are taken apart alike")]
fn of_ndjson(bytes: &[u8]) -> Result<Vec<Line>> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let filled = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).take(MAX_LINES + 1);
    Ok(filled.map(|(index, line)| Line { number: index + 1, content: Ok(line.to_vec()) }).collect())
}

fn of_csv<T: Columns>(bytes: &[u8]) -> Result<Vec<Line>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let names = columns::<T>(&mut reader)?;
    let (mut lines, mut counted) = (Vec::new(), Counted { number: 1, bytes: 0 });
    for record in reader.byte_records() {
        // Bytes in memory are always read.
        let record = record.map_err(|error| Error::internal(error.to_string()))?;
        let at = record.position().map_or(0, csv::Position::byte);
        let number = counted.up_to(bytes, usize::try_from(at).unwrap_or(usize::MAX));
        // No field takes one: somewhere a quote is not closed, and whoever stands behind it would
        // be part of this line.
        if record.iter().any(|field| field.iter().any(|byte| [b'\r', b'\n'].contains(byte))) {
            let detail = format!("has a quote in line {number} that is not closed there");
            return Err(FieldError::new("", "malformed_csv", detail).into());
        }
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            continue;
        }
        lines.push(Line { number, content: object::<T>(&names, &record) });
        if lines.len() > MAX_LINES {
            break;
        }
    }
    Ok(lines)
}

/// The names in the first line: each one that is known, and once.
fn columns<T: Columns>(reader: &mut csv::Reader<&[u8]>) -> Result<Vec<&'static str>> {
    let unreadable = |_| FieldError::new("", "malformed_csv", "has no names in its first line");
    let mut names = Vec::new();
    for name in reader.headers().map_err(unreadable)? {
        let Some(known) = T::ALL.iter().find(|known| **known == name.trim()) else {
            let detail = format!("has another column than {}", T::ALL.join(", "));
            return Err(FieldError::new("", "unknown_field", detail).into());
        };
        if names.contains(known) {
            let detail = format!("has the column {known} twice");
            return Err(FieldError::new("", "duplicate_field", detail).into());
        }
        names.push(*known);
    }
    Ok(names)
}

/// How many lines there are up to a byte. The reader's own count is of where it went on reading,
/// which may be before the end of an earlier line.
struct Counted {
    number: usize,
    bytes: usize,
}

impl Counted {
    /// The line of the record that begins there, or behind empty lines.
    fn up_to(&mut self, bytes: &[u8], at: usize) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        let begins = at + rest.iter().take_while(|byte| [b'\r', b'\n'].contains(byte)).count();
        let passed = self.bytes..begins;
        // A carriage return ends a line by itself too.
        let ends = |at: &usize| {
            bytes[*at] == b'\n' || bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n')
        };
        self.number += passed.filter(ends).count();
        self.bytes = begins;
        self.number
    }
}

/// A record as the object that a line of NDJSON would be. What is empty is left out.
fn object<T: Columns>(names: &[&str], record: &ByteRecord) -> Result<Vec<u8>, FieldError> {
    if record.len() != names.len() {
        let detail = format!("must have {} fields, as the first line has", names.len());
        return Err(FieldError::new("", "malformed_csv", detail));
    }
    let mut fields = Map::new();
    for (name, field) in names.iter().zip(record) {
        let text = std::str::from_utf8(field)
            .map_err(|_| FieldError::new(format!("/{name}"), "malformed_csv", "must be UTF-8"))?;
        if !text.trim().is_empty() {
            fields.insert((*name).to_owned(), value::<T>(name, text.trim()));
        }
    }
    Ok(Value::Object(fields).to_string().into_bytes())
}

fn value<T: Columns>(name: &str, text: &str) -> Value {
    if T::LISTS.contains(&name) {
        let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
        return items.collect();
    }
    let number = text.parse::<i64>().ok().filter(|_| T::NUMBERS.contains(&name));
    number.map_or_else(|| text.into(), Value::from)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Row {
        email: String,
        #[serde(default)]
        roles: Vec<String>,
        hours: Option<i64>,
    }
    impl Columns for Row {
        const ALL: &'static [&'static str] = &["email", "roles", "hours"];
        const TOLD: &'static [&'static str] = &["email"];
        const LISTS: &'static [&'static str] = &["roles"];
        const NUMBERS: &'static [&'static str] = &["hours"];
    }

    fn row(email: &str, roles: &[&str], hours: Option<i64>) -> Row {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Row { email: email.to_owned(), roles, hours }
    }

    #[test]
    fn both_kinds_of_lines_say_the_same() {
        let csv = "email,roles,hours\r\na@x,\"user;  007\",24\n\n\"b,@x\",,\n , ,\nc@x,user\n";
        let lines = of_csv::<Row>(csv.as_bytes()).unwrap();
        let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [2, 4, 6]);
        assert_eq!(lines[0].read(), Ok(row("a@x", &["user", "007"], Some(24))));
        assert_eq!(lines[1].read(), Ok(row("b,@x", &[], None)));
        assert_eq!(lines[2].read::<Row>().unwrap_err().code, "malformed_csv");
        let old = of_csv::<Row>(b"email\ra@x\r\rb@x\r").unwrap();
        assert_eq!(old.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 4]);
        let ndjson = "\n{\"email\": \"a@x\", \"roles\": [\"user\"]}\r\n  \n{\"email\": 1}\nx\n[]";
        let lines = of_ndjson(ndjson.as_bytes()).unwrap();
        let numbers: Vec<usize> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [2, 4, 5, 6]);
        assert_eq!(lines[0].read(), Ok(row("a@x", &["user"], None)));
        let faults = [1, 2, 3].map(|at: usize| lines[at].read::<Row>().unwrap_err());
        let told = faults.each_ref().map(|fault| (fault.pointer.as_str(), fault.code.as_ref()));
        assert_eq!(
            told,
            [("/email", "invalid_type"), ("", "malformed_json"), ("", "invalid_type")]
        );
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_of_that_line() {
        let lines = of_csv::<Row>(b"email,roles\na@x,user\n\xff@x,\nc@x,a,b\n").unwrap();
        assert!(lines[0].read::<Row>().is_ok());
        let faults = [1, 2].map(|at: usize| lines[at].read::<Row>().unwrap_err());
        let told = faults.each_ref().map(|fault| (fault.pointer.as_str(), fault.code.as_ref()));
        assert_eq!(told, [("/email", "malformed_csv"), ("", "malformed_csv")]);
        assert_eq!(lines[0].text("email").as_deref(), Some("a@x"));
        assert_eq!(lines[1].text("email"), None);
        let wide = format!("email,{}\n", "x,".repeat(100_000));
        for (whole, code) in [
            ("email,email\na,b", "duplicate_field"),
            ("email,colour\na@x,red", "unknown_field"),
            (wide.as_str(), "unknown_field"),
            ("email\na@x\n\"b@x\nc@x\n", "malformed_csv"),
        ] {
            assert_eq!(of_csv::<Row>(whole.as_bytes()).unwrap_err().errors()[0].code, code);
        }
        assert!(of_csv::<Row>(b"").unwrap().is_empty() && of_ndjson(b" \n").unwrap().is_empty());
        assert_eq!(value::<Row>("hours", "soon"), json!("soon"));
    }
}
