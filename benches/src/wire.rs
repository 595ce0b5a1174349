//! The client's half of PostgreSQL's protocol, as far as telling what was asked, and how many
//! answers were waited for.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::plan::{Argument, Round};

const TLS_REQUEST: u32 = 80_877_103;
/// From 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// Reads one connection's stream, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Reader {
    pending: Vec<u8>,
    started: bool,
    /// Whether the connection was opened for reading only.
    pub read_only: bool,
    statements: HashMap<String, (String, Vec<u32>)>,
    asked: Option<Trip>,
}

/// A round trip.
#[derive(Debug, Clone, PartialEq)]
pub enum Trip {
    /// A question that can be repeated.
    Asked(Round),
    /// Nothing was asked but whether the server is there.
    Ping,
    /// A statement was prepared, or the arguments are of types that are not known here.
    Other,
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
                b'Q' => trips.push(Trip::Asked(Round::Simple(Fields(body).text()?))),
                b'P' => self.parse(Fields(body))?,
                b'B' => self.asked = Some(self.bind(Fields(body)).map_or(Trip::Other, Trip::Asked)),
                b'S' => trips.push(self.asked.take().unwrap_or(Trip::Ping)),
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
        self.statements.insert(name, (sql, types));
        self.asked = Some(Trip::Other);
        Ok(())
    }

    fn bind(&self, mut fields: Fields<'_>) -> Result<Round> {
        fields.text()?;
        let name = fields.text()?;
        let (sql, types) = self
            .statements
            .get(&name)
            .with_context(|| format!("the statement {name} was never prepared"))?;
        let formats = fields.u16()?;
        for _ in 0..formats {
            fields.u16()?;
        }
        let count = fields.u16()?;
        let mut arguments = Vec::new();
        for place in 0..usize::from(count) {
            let length = fields.u32()?;
            let value =
                if length == u32::MAX { None } else { Some(fields.bytes(length as usize)?) };
            arguments.push(argument(types.get(place).copied().unwrap_or(0), value)?);
        }
        Ok(Round::Prepared { sql: sql.clone(), arguments })
    }
}

fn argument(kind: u32, value: Option<&[u8]>) -> Result<Argument> {
    Ok(match kind {
        16 => Argument::Bool(fixed(value)?.map(|[byte]| byte != 0)),
        20 => Argument::Int8(fixed(value)?.map(i64::from_be_bytes)),
        23 => Argument::Int4(fixed(value)?.map(i32::from_be_bytes)),
        25 | 1043 => Argument::Text(value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())),
        1184 => Argument::Time(fixed(value)?.map(i64::from_be_bytes).and_then(time)),
        2950 => Argument::Uuid(fixed(value)?.map(Uuid::from_bytes)),
        other => bail!("an argument of type {other} cannot be repeated"),
    })
}

fn fixed<const N: usize>(value: Option<&[u8]>) -> Result<Option<[u8; N]>> {
    value
        .map(|bytes| {
            bytes
                .try_into()
                .with_context(|| format!("a value of {} bytes instead of {N}", bytes.len()))
        })
        .transpose()
}

fn time(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros + EPOCH_MICROSECONDS)
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(count).context("a message that is too short")?;
        self.0 = rest;
        Ok(taken)
    }
    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.bytes(2)?.try_into()?))
    }
    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.bytes(4)?.try_into()?))
    }
    fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0).context("a text without an end")?;
        let text = String::from_utf8_lossy(self.bytes(end)?).into_owned();
        self.bytes(1)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
        [kind, &length, body].concat()
    }

    fn conversation() -> Vec<u8> {
        let id = Uuid::from_u128(7);
        [
            message(
                b"",
                &[
                    &196_608_u32.to_be_bytes(),
                    &b"options\0-c default_transaction_read_only=on\0\0"[..],
                ]
                .concat(),
            ),
            message(b"Q", b"begin; set local role x\0"),
            message(b"P", b"s1\0select $1, $2\0\0\x02\0\0\x0b\x86\0\0\0\x14"),
            message(b"S", b""),
            message(
                b"B",
                &[
                    b"\0s1\0\0\x01\0\x01\0\x02\0\0\0\x10".as_slice(),
                    id.as_bytes(),
                    b"\xff\xff\xff\xff\0\0",
                ]
                .concat(),
            ),
            message(b"E", b"\0\0\0\0\0"),
            message(b"S", b""),
            message(b"S", b""),
        ]
        .concat()
    }

    #[test]
    fn a_conversation_is_the_same_in_one_piece_and_byte_by_byte() {
        let whole = Reader::default().take(&conversation()).expect("readable");
        let arguments = vec![Argument::Uuid(Some(Uuid::from_u128(7))), Argument::Int8(None)];
        let batch = Round::Simple("begin; set local role x".to_owned());
        let statement = Round::Prepared { sql: "select $1, $2".to_owned(), arguments };
        assert_eq!(whole, [Trip::Asked(batch), Trip::Other, Trip::Asked(statement), Trip::Ping]);
        let mut reader = Reader::default();
        let pieces: Vec<_> = conversation()
            .iter()
            .flat_map(|byte| reader.take(&[*byte]).expect("readable"))
            .collect();
        assert_eq!(pieces, whole);
        assert!(reader.read_only);
    }

    #[test]
    fn numbers_and_times_keep_their_value() {
        assert_eq!(
            argument(23, Some(&(-5_i32).to_be_bytes())).expect("known"),
            Argument::Int4(Some(-5))
        );
        let time = argument(1184, Some(&1_500_000_i64.to_be_bytes())).expect("known");
        assert_eq!(time, Argument::Time("2000-01-01T00:00:01.5Z".parse().ok()));
        assert!(argument(114, None).is_err());
    }
}
