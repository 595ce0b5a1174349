//! Keyset paging: a page ends at a row, and the next one begins after it, so that rows which come or go meanwhile neither
//! repeat nor hide others. The cursor holds that row's sort key and id, bound to the list and its sort by a MAC.

use uuid::Uuid;

use crate::crypto::{Keys, base64url, from_base64url};
use crate::error::{Code, Error, Result};
use crate::names::MAX_NAME;

/// How many items a page has when the caller does not say.
pub const DEFAULT_LIMIT: u16 = 50;
/// How many items a page has at most.
pub const MAX_LIMIT: u16 = 200;

/// Sorts behind every other character. (A longer row of them than a name may have sorts behind every name.)
const LAST_CHARACTER: &str = "\u{10ffff}";

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

/// A row's place in a sorted list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The sort key; empty where the list is sorted by id (creation) alone.
    pub key: String,
    pub id: Uuid,
}

/// One page of rows, and where the next begins.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    pub items: Vec<T>,
    pub next: Option<Position>,
    pub total: Option<i64>,
}

/// What a list was asked for, as it stands in the query string.
#[derive(Debug, Default, Clone, Copy)]
pub struct Asked<'a> {
    pub limit: Option<u16>,
    pub cursor: Option<&'a str>,
    pub sort: Option<&'a str>,
    pub count: bool,
}

impl Paging {
    /// Checks what was asked for. `list` names the list and its filters, `sorts` the fields that it can be sorted by; the
    /// first is the default (with `-` for descending).
    pub fn parse(keys: &Keys, list: &str, sorts: &[&str], asked: Asked<'_>) -> Result<Self> {
        let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(invalid(format!("`limit` must be from 1 to {MAX_LIMIT}")));
        }
        let wanted = asked.sort.unwrap_or(sorts[0]);
        let field = wanted.strip_prefix('-').unwrap_or(wanted);
        if !sorts.iter().any(|known| known.trim_start_matches('-') == field) {
            let known: Vec<_> = sorts.iter().map(|s| format!("`{}`", s.trim_start_matches('-'))).collect();
            return Err(invalid(format!("`sort` must be {}, with `-` before it for descending", known.join(" or "))));
        }
        let list = format!("{list} {wanted}");
        let after = asked.cursor.map(|cursor| open(keys, &list, cursor)).transpose()?;
        Ok(Self { limit, after, count: asked.count, sort: field.to_owned(), descending: wanted.starts_with('-'), list })
    }

    /// One more than the page holds: whether there is a next page is seen by the row too many.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }
    /// The sort key after which the page begins.
    #[must_use]
    pub fn after_key(&self) -> Option<&str> {
        self.after.as_ref().map(|position| position.key.as_str())
    }
    /// The key from which the page is read on: where it begins, else one before (descending: after) every key that a name has.
    /// Never null, so that the comparison is always one that an index answers, whatever plan PostgreSQL keeps: an
    /// `$1 is null or …` is a filter in a generic plan, which reads the list from its beginning on every page.
    #[must_use]
    pub fn bound_key(&self) -> String {
        match &self.after {
            Some(position) => position.key.clone(),
            None if self.descending => LAST_CHARACTER.repeat(MAX_NAME + 1),
            None => String::new(),
        }
    }
    /// The id beside [`Paging::bound_key`].
    #[must_use]
    pub fn bound_id(&self) -> Uuid {
        let first = if self.descending { Uuid::max() } else { Uuid::nil() };
        self.after.as_ref().map_or(first, |position| position.id)
    }

    /// Cuts the row too many off and notes where the next page begins.
    pub fn cut<T>(&self, mut items: Vec<T>, total: Option<i64>, position: impl Fn(&T) -> Position) -> Rows<T> {
        let more = items.len() > usize::from(self.limit);
        items.truncate(usize::from(self.limit));
        let next = if more { items.last().map(position) } else { None };
        Rows { items, next, total }
    }

    /// A cursor that leads to the next page of this list.
    #[must_use]
    pub fn seal(&self, keys: &Keys, position: &Position) -> String {
        let mut bytes = position.id.as_bytes().to_vec();
        bytes.extend_from_slice(position.key.as_bytes());
        let mut sealed = keys.cursor_tag(&[self.list.as_bytes(), &bytes]).to_vec();
        sealed.extend_from_slice(&bytes);
        base64url(&sealed)
    }
}

fn open(keys: &Keys, list: &str, cursor: &str) -> Result<Position> {
    let refused = || invalid("`cursor` is not one that this list gave out with this sort and these filters".to_owned());
    let sealed = from_base64url(cursor).filter(|bytes| bytes.len() >= 32).ok_or_else(refused)?;
    let (tag, bytes) = sealed.split_at(16);
    if !keys.cursor_tag_is(&[list.as_bytes(), bytes], tag) {
        return Err(refused());
    }
    let (id, key) = bytes.split_at(16);
    let id = Uuid::from_slice(id).map_err(|_| refused())?;
    let key = std::str::from_utf8(key).map_err(|_| refused())?.to_owned();
    Ok(Position { key, id })
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
        let asked = |cursor| Asked { cursor, ..Asked::default() };
        let paging = Paging::parse(&keys, "members", &["username"], asked(None)).unwrap();
        let position = Position { key: "bob".into(), id: Uuid::now_v7() };
        let cursor = paging.seal(&keys, &position);
        assert_eq!(Paging::parse(&keys, "members", &["username"], asked(Some(&cursor))).unwrap().after, Some(position));
        assert!(Paging::parse(&keys, "groups", &["username"], asked(Some(&cursor))).is_err());
        for index in 0..cursor.len() {
            let mut tampered = cursor.clone().into_bytes();
            tampered[index] = if tampered[index] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            let asked = Asked { cursor: Some(&tampered), ..Asked::default() };
            let outcome = Paging::parse(&keys, "members", &["username"], asked);
            assert!(tampered == cursor || outcome.is_err() || outcome.unwrap().after == paging.after, "byte {index}");
        }
    }
}
