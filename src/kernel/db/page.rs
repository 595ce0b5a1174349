//! Keyset paging: a page ends at a row, and the next one begins after it, so that rows which come
//! or go meanwhile neither repeat nor hide others. The cursor holds that row's sort key and id,
//! bound to the list and its sort by a MAC. A list is ordered by just these two, and what it is
//! ordered by is bounded (migration 0021): a key cut off on its way into the cursor would repeat
//! rows, and one that is long would make a URL that nobody can send.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::kernel::crypto::{Keys, base64url, from_base64url};
use crate::kernel::error::{Code, Error, Result};
use crate::kernel::names::MAX_NAME;

/// How many items a page has when the caller does not say.
pub const DEFAULT_LIMIT: u16 = 50;
/// How many items a page has at most.
pub const MAX_LIMIT: u16 = 200;

/// Sorts behind every other character. (A longer row of them than a name may have sorts behind
/// every name.)
const LAST_CHARACTER: &str = "\u{10ffff}";
/// No row is of a time before or after (the year 1; what comes after every year that is accepted).
pub const EARLIEST: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};
pub const LATEST: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;
/// What cursors are written in; those of another form are refused.
const FORM: &str = "2";

/// Where a page begins, and how far it goes.
#[derive(Debug, Clone)]
pub struct Paging {
    pub limit: u16,
    /// The row after which the page begins.
    pub after: Option<Position>,
    /// Whether the caller wants to know how many items there are in all.
    pub count: bool,
    /// The field to sort by, without its `-`.
    pub sort: String,
    pub descending: bool,
    list: String,
}

/// What a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    Text(String),
    /// To the microsecond, as PostgreSQL keeps times.
    Time(DateTime<Utc>),
    Number(i32),
}

impl From<String> for SortKey {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<DateTime<Utc>> for SortKey {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}
impl From<i32> for SortKey {
    fn from(number: i32) -> Self {
        Self::Number(number)
    }
}

/// A row's place in a sorted list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub key: SortKey,
    /// Among rows with the same key.
    pub id: Uuid,
}

impl Position {
    pub fn new(key: impl Into<SortKey>, id: Uuid) -> Self {
        Self { key: key.into(), id }
    }
}

/// One page of rows with their places, and whether others follow.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    pub rows: Vec<(T, Position)>,
    pub more: bool,
    pub total: Option<i64>,
}

/// What a list was asked for, as it stands in the query string.
#[derive(Debug, Default, Clone, Copy)]
pub struct PageRequest<'a> {
    pub limit: Option<u16>,
    pub cursor: Option<&'a str>,
    pub sort: Option<&'a str>,
    pub count: bool,
}

impl Paging {
    /// Checks what was asked for. `list` names the list and its filters, `sorts` the fields that it
    /// can be sorted by; the first is the default (with `-` for descending).
    pub fn parse(keys: &Keys, list: &str, sorts: &[&str], asked: PageRequest<'_>) -> Result<Self> {
        let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(invalid(format!("`limit` must be a whole number from 1 to {MAX_LIMIT}.")));
        }
        let wanted = asked.sort.unwrap_or(sorts[0]);
        let field = wanted.strip_prefix('-').unwrap_or(wanted);
        if !sorts.iter().any(|known| known.trim_start_matches('-') == field) {
            let known: Vec<_> =
                sorts.iter().map(|s| format!("`{}`", s.trim_start_matches('-'))).collect();
            return Err(invalid(format!(
                "`sort` must be {}, with `-` before it for descending",
                known.join(" or ")
            )));
        }
        let list = format!("{FORM} {list} {wanted}");
        let after = asked.cursor.map(|cursor| open(keys, &list, cursor)).transpose()?;
        Ok(Self {
            limit,
            after,
            count: asked.count,
            sort: field.to_owned(),
            descending: wanted.starts_with('-'),
            list,
        })
    }

    /// One more than the page holds: whether there is a next page is seen by the row too many.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }
    /// The key from which the page is read on: where it begins, else one before (descending: after)
    /// every key that a name has. Never null, so that the comparison is always one that an index
    /// answers, whatever plan PostgreSQL keeps: an `$1 is null or …` is a filter in a generic plan,
    /// which reads the list from its beginning on every page.
    #[must_use]
    pub fn bound_text(&self) -> String {
        match self.after_key() {
            Some(SortKey::Text(text)) => text.clone(),
            _ if self.descending => LAST_CHARACTER.repeat(MAX_NAME + 1),
            _ => String::new(),
        }
    }
    /// The same where the list is sorted by a time.
    #[must_use]
    pub fn bound_time(&self) -> DateTime<Utc> {
        match self.after_key() {
            Some(SortKey::Time(time)) => *time,
            _ if self.descending => LATEST,
            _ => EARLIEST,
        }
    }
    /// The same where the list is sorted by a number.
    #[must_use]
    pub fn bound_number(&self) -> i32 {
        match self.after_key() {
            Some(SortKey::Number(number)) => *number,
            _ if self.descending => i32::MAX,
            _ => i32::MIN,
        }
    }
    /// The id beside these.
    #[must_use]
    pub fn bound_id(&self) -> Uuid {
        let first = if self.descending { Uuid::max() } else { Uuid::nil() };
        self.after.as_ref().map_or(first, |position| position.id)
    }
    fn after_key(&self) -> Option<&SortKey> {
        self.after.as_ref().map(|position| &position.key)
    }

    /// Cuts the row too many off, and notes each row's place.
    pub fn cut<R, T>(
        &self,
        mut found: Vec<R>,
        total: Option<i64>,
        place: impl Fn(R) -> (T, Position),
    ) -> Rows<T> {
        let more = found.len() > usize::from(self.limit);
        found.truncate(usize::from(self.limit));
        Rows { rows: found.into_iter().map(place).collect(), more, total }
    }

    /// A cursor that leads to the next page of this list.
    #[must_use]
    pub fn seal(&self, keys: &Keys, position: &Position) -> String {
        let bytes = position.written();
        let mut sealed = keys.cursor_tag(&[self.list.as_bytes(), &bytes]).to_vec();
        sealed.extend_from_slice(&bytes);
        base64url(&sealed)
    }
}

fn open(keys: &Keys, list: &str, cursor: &str) -> Result<Position> {
    let refused = || {
        invalid(
            "`cursor` is not one that this list gave out with this sort and these filters"
                .to_owned(),
        )
    };
    let sealed = from_base64url(cursor).filter(|bytes| bytes.len() >= 32).ok_or_else(refused)?;
    let (tag, bytes) = sealed.split_at(16);
    if !keys.cursor_tag_is(&[list.as_bytes(), bytes], tag) {
        return Err(refused());
    }
    Position::read(bytes).ok_or_else(refused)
}

impl Position {
    /// The id, the kind of key, the key.
    fn written(&self) -> Vec<u8> {
        let mut bytes = self.id.as_bytes().to_vec();
        match &self.key {
            SortKey::Text(text) => {
                bytes.push(b's');
                bytes.extend_from_slice(text.as_bytes());
            }
            SortKey::Time(time) => {
                bytes.push(b't');
                bytes.extend_from_slice(&time.timestamp_micros().to_be_bytes());
            }
            SortKey::Number(number) => {
                bytes.push(b'n');
                bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, key) = bytes.split_at_checked(16)?;
        let key = match key.split_first()? {
            (b's', text) => SortKey::Text(std::str::from_utf8(text).ok()?.to_owned()),
            (b't', micros) => SortKey::Time(DateTime::from_timestamp_micros(i64::from_be_bytes(
                micros.try_into().ok()?,
            ))?),
            (b'n', number) => SortKey::Number(i32::from_be_bytes(number.try_into().ok()?)),
            _ => return None,
        };
        Some(Self { key, id: Uuid::from_slice(id).ok()? })
    }
}

fn invalid(detail: String) -> Error {
    Error::new(Code::InvalidParameter, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_back_only_to_its_own_list_and_unchanged() {
        let keys = Keys::derive(&[7; 32]);
        let asked = |cursor| PageRequest { cursor, ..PageRequest::default() };
        let paging = Paging::parse(&keys, "members", &["username"], asked(None)).unwrap();
        let position = Position::new("bob".to_owned(), Uuid::now_v7());
        let cursor = paging.seal(&keys, &position);
        assert_eq!(
            Paging::parse(&keys, "members", &["username"], asked(Some(&cursor))).unwrap().after,
            Some(position)
        );
        assert!(Paging::parse(&keys, "groups", &["username"], asked(Some(&cursor))).is_err());
        for index in 0..cursor.len() {
            let mut tampered = cursor.clone().into_bytes();
            tampered[index] = if tampered[index] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            let asked = PageRequest { cursor: Some(&tampered), ..PageRequest::default() };
            let outcome = Paging::parse(&keys, "members", &["username"], asked);
            assert!(outcome.is_err(), "byte {index}");
        }
    }

    #[test]
    fn a_cursor_holds_every_kind_of_key_exactly() {
        let keys = Keys::derive(&[7; 32]);
        let paging = Paging::parse(&keys, "any", &["-at"], PageRequest::default()).unwrap();
        let longest = "\u{10ffff}".repeat(150);
        assert_eq!(longest.len(), 600, "as long as a key is sorted by");
        let times = [
            EARLIEST,
            DateTime::from_timestamp_micros(-1).unwrap(),
            DateTime::from_timestamp_micros(1_799_000_000_123_456).unwrap(),
        ];
        let texts = [String::new(), "t".into(), longest].map(SortKey::from);
        let numbers = [i32::MIN, -1, 0, i32::MAX].map(SortKey::from);
        for key in times.map(SortKey::from).into_iter().chain(texts).chain(numbers) {
            let position = Position { key, id: Uuid::now_v7() };
            let cursor = paging.seal(&keys, &position);
            assert!(cursor.len() <= 1_024, "{position:?}: {}", cursor.len());
            let asked = PageRequest { cursor: Some(&cursor), ..PageRequest::default() };
            assert_eq!(Paging::parse(&keys, "any", &["-at"], asked).unwrap().after, Some(position));
        }
    }
}
