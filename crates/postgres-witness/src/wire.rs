//! The client's half of PostgreSQL's protocol, as far as telling what was asked, and how many
//! answers were waited for.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};

const TLS_REQUEST: u32 = 80_877_103;

/// Reads one connection's stream, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Reader {
    pending: Vec<u8>,
    started: bool,
    /// Whether the connection was opened for reading only.
    pub read_only: bool,
    statements: HashMap<String, (String, Vec<u32>)>,
    prepared: Option<String>,
    executed: Vec<Executed>,
}

/// A round trip: what was sent before an answer was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trip {
    /// A text, possibly of several statements.
    Text(String),
    /// Statements that were prepared, now or before, with their arguments.
    Executed(Vec<Executed>),
    /// A statement was prepared, and none executed.
    Prepared(String),
    /// Nothing was asked but whether the server is there.
    Ping,
}

/// A statement with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    pub sql: String,
    pub arguments: Vec<Argument>,
}

/// An argument as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The number of its type in `pg_type`, or 0 where the client did not say it.
    pub kind: u32,
    pub value: Option<Vec<u8>>,
}

impl Trip {
    /// The statements that ran.
    pub fn statements(&self) -> Vec<&str> {
        match self {
            Trip::Text(text) => parts(text),
            Trip::Executed(executed) => executed.iter().map(|one| one.sql.as_str()).collect(),
            Trip::Prepared(_) | Trip::Ping => Vec::new(),
        }
    }
}

/// Cuts a text at semicolons outside of single quotes.
fn parts(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let cut = text.split(|character| {
        quoted ^= character == '\'';
        character == ';' && !quoted
    });
    cut.map(str::trim).filter(|part| !part.is_empty()).collect()
}

impl Reader {
    /// Takes what the client sent; gives the round trips that it completed.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Trip>> {
        self.pending.extend_from_slice(bytes);
        let mut trips = Vec::new();
        while let Some(message) = self.next_message() {
            let (kind, body) = message.split_at(1);
            match kind[0] {
                0 => self.open(body),
                b'Q' => trips.push(Trip::Text(Fields(body).text()?)),
                b'P' => self.parse(Fields(body))?,
                b'B' => {
                    let executed = self.bind(Fields(body))?;
                    self.executed.push(executed);
                }
                b'S' => trips.push(self.completed()),
                _ => {}
            }
        }
        Ok(trips)
    }

    /// The next whole message with its kind before it; the first one has none, which is written as
    /// 0.
    fn next_message(&mut self) -> Option<Vec<u8>> {
        let kind_length = usize::from(self.started);
        let length = self.pending.get(kind_length..kind_length + 4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        if self.pending.len() < kind_length + length {
            return None;
        }
        let message: Vec<u8> = self.pending.drain(..kind_length + length).collect();
        let kind = if self.started { message[0] } else { 0 };
        Some([&[kind], &message[kind_length + 4..]].concat())
    }

    fn open(&mut self, body: &[u8]) {
        if body.get(..4) != Some(&TLS_REQUEST.to_be_bytes()) {
            self.started = true;
            self.read_only =
                String::from_utf8_lossy(body).contains("default_transaction_read_only");
        }
    }

    fn parse(&mut self, mut fields: Fields<'_>) -> Result<()> {
        let (name, sql) = (fields.text()?, fields.text()?);
        let count = fields.u16()?;
        let types = (0..count).map(|_| fields.u32()).collect::<Result<_>>()?;
        self.prepared = Some(sql.clone());
        self.statements.insert(name, (sql, types));
        Ok(())
    }

    fn bind(&self, mut fields: Fields<'_>) -> Result<Executed> {
        fields.text()?;
        let name = fields.text()?;
        let (sql, types) = self
            .statements
            .get(&name)
            .ok_or_else(|| broken(format!("the statement `{name}` was never prepared")))?;
        let formats = fields.u16()?;
        for _ in 0..formats {
            fields.u16()?;
        }
        let count = fields.u16()?;
        let mut arguments = Vec::new();
        for place in 0..usize::from(count) {
            let length = fields.u32()?;
            let value = if length == u32::MAX {
                None
            } else {
                Some(fields.bytes(length as usize)?.to_vec())
            };
            arguments.push(Argument { kind: types.get(place).copied().unwrap_or(0), value });
        }
        Ok(Executed { sql: sql.clone(), arguments })
    }

    /// What was sent since the last answer.
    fn completed(&mut self) -> Trip {
        let (prepared, executed) = (self.prepared.take(), std::mem::take(&mut self.executed));
        match prepared {
            _ if !executed.is_empty() => Trip::Executed(executed),
            Some(sql) => Trip::Prepared(sql),
            None => Trip::Ping,
        }
    }
}

fn broken(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, what.into())
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| broken("a message that is too short"))?;
        self.0 = rest;
        Ok(taken)
    }
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.bytes(N)?.try_into().map_err(|error| broken(format!("{error}")))
    }
    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.fixed()?))
    }
    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.fixed()?))
    }
    fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| broken("a text without an end"))?;
        let text = String::from_utf8_lossy(self.bytes(end)?).into_owned();
        self.bytes(1)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 16] = 7_u128.to_be_bytes();

    fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
        [kind, &length, body].concat()
    }

    fn opened(options: &[u8]) -> Vec<u8> {
        message(b"", &[&196_608_u32.to_be_bytes(), options].concat())
    }

    fn bound() -> Vec<u8> {
        let fields = b"\0s1\0\0\x01\0\x01\0\x02\0\0\0\x10".as_slice();
        message(b"B", &[fields, &ID, b"\xff\xff\xff\xff\0\0"].concat())
    }

    fn conversation() -> Vec<u8> {
        [
            message(b"", &TLS_REQUEST.to_be_bytes()),
            opened(b"options\0-c default_transaction_read_only=on\0\0"),
            message(b"Q", b"begin; set local role x\0"),
            message(b"P", b"s1\0select $1, $2\0\0\x02\0\0\x0b\x86\0\0\0\x14"),
            message(b"S", b""),
            bound(),
            message(b"E", b"\0\0\0\0\0"),
            message(b"S", b""),
            message(b"S", b""),
        ]
        .concat()
    }

    fn executed() -> Executed {
        let id = Argument { kind: 2950, value: Some(ID.to_vec()) };
        let nothing = Argument { kind: 20, value: None };
        Executed { sql: "select $1, $2".to_owned(), arguments: vec![id, nothing] }
    }

    #[test]
    fn a_conversation_is_the_same_in_one_piece_and_byte_by_byte() {
        let whole = Reader::default().take(&conversation()).expect("readable");
        let expected = [
            Trip::Text("begin; set local role x".to_owned()),
            Trip::Prepared("select $1, $2".to_owned()),
            Trip::Executed(vec![executed()]),
            Trip::Ping,
        ];
        assert_eq!(whole, expected);
        let mut reader = Reader::default();
        let pieces: Vec<_> = conversation()
            .iter()
            .flat_map(|byte| reader.take(&[*byte]).expect("readable"))
            .collect();
        assert_eq!(pieces, whole);
        assert!(reader.read_only);
    }

    #[test]
    fn statements_that_share_an_answer_are_one_trip() {
        let mut reader = Reader::default();
        let prepared = message(b"P", b"s1\0select $1, $2\0\0\x02\0\0\x0b\x86\0\0\0\x14");
        let sent = [opened(b"\0"), prepared, bound(), bound(), message(b"S", b"")].concat();
        let trips = reader.take(&sent).expect("readable");
        assert_eq!(trips, [Trip::Executed(vec![executed(), executed()])]);
        assert_eq!(trips[0].statements(), ["select $1, $2", "select $1, $2"]);
        assert!(!reader.read_only);
    }

    #[test]
    fn a_text_is_cut_between_its_statements_only() {
        let text = "begin; set local app.x = 'a; ''b'';'; ;commit;".to_owned();
        let statements = ["begin", "set local app.x = 'a; ''b'';'", "commit"];
        assert_eq!(Trip::Text(text).statements(), statements);
        assert!(Trip::Ping.statements().is_empty());
        assert!(Trip::Prepared("select 1".to_owned()).statements().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let begun = opened(b"\0");
        for wrong in [
            message(b"Q", b"select 1"),
            message(b"B", b"\0never\0\0\0\0\0"),
            message(b"P", b"s1\0select $1\0\0\x02\0\0\x0b\x86"),
        ] {
            let sent = [begun.clone(), wrong].concat();
            let error = Reader::default().take(&sent).expect_err("broken");
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
    }
}
