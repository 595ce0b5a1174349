//! What the service was seen to ask. Its record is what the bare handlers and pgbench repeat, so
//! that those never compare with an older text of a statement.

use std::path::Path;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use postgres_witness::{Executed, Noted, Trip, Witness};
use uuid::Uuid;

use crate::plan::{Argument, Round, Visit};

/// From 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// A witness between the service and PostgreSQL; it goes away with this value.
#[derive(Debug)]
pub struct Recorder(Witness);

impl Recorder {
    /// Listens on `socket` and passes on to `server`.
    pub fn start(socket: &Path, server: &Path) -> Result<Self> {
        Ok(Self(Witness::start(socket, server)?))
    }

    /// What was asked since the last call.
    pub fn collect(&self) -> Record {
        let mut record = Record::default();
        let mut visits: Vec<(usize, Visit)> = Vec::new();
        for Noted { connection, read_only, trip } in self.0.take() {
            if trip == Trip::Ping {
                record.pings += 1;
                continue;
            }
            let round = match repeatable(trip) {
                Ok(round) => round,
                Err(why) => {
                    record.others.push(why.to_string());
                    continue;
                }
            };
            record.asked += 1;
            if visits.last().is_none_or(|(last, _)| *last != connection) {
                visits.push((connection, Visit { reader: read_only, rounds: Vec::new() }));
            }
            if let Some((_, visit)) = visits.last_mut() {
                visit.rounds.push(round);
            }
        }
        record.visits = visits.into_iter().map(|(_, visit)| visit).collect();
        record
    }
}

/// Round trips by kind, and the visits that the questions make up.
#[derive(Debug, Default)]
pub struct Record {
    pub asked: u32,
    pub pings: u32,
    /// What cannot be repeated, or was only prepared.
    pub others: Vec<String>,
    pub visits: Vec<Visit>,
}

/// Not where a statement was prepared, or the arguments are of types that are not known here.
fn repeatable(trip: Trip) -> Result<Round> {
    match trip {
        Trip::Text(text) => Ok(Round::Simple(text)),
        Trip::Executed(mut executed) if executed.len() == 1 => {
            let Executed { sql, arguments } = executed.remove(0);
            let known = arguments.iter().map(argument).collect::<Result<_>>();
            let arguments = known.with_context(|| sql.clone())?;
            Ok(Round::Prepared { sql, arguments })
        }
        other => bail!("{other:?}"),
    }
}

fn argument(sent: &postgres_witness::Argument) -> Result<Argument> {
    let value = sent.value.as_deref();
    Ok(match sent.kind {
        16 => Argument::Bool(fixed(value)?.map(|[byte]| byte != 0)),
        20 => Argument::Int8(fixed(value)?.map(i64::from_be_bytes)),
        23 => Argument::Int4(fixed(value)?.map(i32::from_be_bytes)),
        25 | 1043 => Argument::Text(value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())),
        1184 => Argument::Time(fixed(value)?.map(i64::from_be_bytes).and_then(time)),
        2950 => Argument::Uuid(fixed(value)?.map(Uuid::from_bytes)),
        1009 => Argument::Texts(value.map(texts).transpose()?),
        2951 => Argument::Uuids(value.map(uuids).transpose()?),
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

/// An array of one dimension, whose elements may be null; one of none has no dimension.
fn elements(mut value: &[u8]) -> Result<Vec<Option<&[u8]>>> {
    let mut take = |count: usize| {
        let (taken, rest) = value.split_at_checked(count).context("an array that is too short")?;
        value = rest;
        Ok::<_, anyhow::Error>(taken)
    };
    let mut number = || Ok::<_, anyhow::Error>(u32::from_be_bytes(take(4)?.try_into()?));
    let (dimensions, _has_nulls, _of) = (number()?, number()?, number()?);
    anyhow::ensure!(dimensions <= 1, "an array of {dimensions} dimensions cannot be repeated");
    if dimensions == 0 {
        return Ok(Vec::new());
    }
    let (count, _first) = (number()?, number()?);
    let mut elements = Vec::new();
    for _ in 0..count {
        let length = u32::from_be_bytes(take(4)?.try_into()?);
        elements.push(if length == u32::MAX { None } else { Some(take(length as usize)?) });
    }
    Ok(elements)
}

fn uuids(value: &[u8]) -> Result<Vec<Option<Uuid>>> {
    let id = |bytes| Ok(fixed(bytes)?.map(Uuid::from_bytes));
    elements(value)?.into_iter().map(id).collect()
}

fn texts(value: &[u8]) -> Result<Vec<Option<String>>> {
    let text =
        |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Ok(elements(value)?.into_iter().map(text).collect())
}

fn time(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros + EPOCH_MICROSECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(kind: u32, value: Option<&[u8]>) -> postgres_witness::Argument {
        postgres_witness::Argument { kind, value: value.map(<[u8]>::to_vec) }
    }

    #[test]
    fn numbers_and_times_keep_their_value() {
        assert_eq!(
            argument(&sent(23, Some(&(-5_i32).to_be_bytes()))).expect("known"),
            Argument::Int4(Some(-5))
        );
        let time = argument(&sent(1184, Some(&1_500_000_i64.to_be_bytes()))).expect("known");
        assert_eq!(time, Argument::Time("2000-01-01T00:00:01.5Z".parse().ok()));
        assert!(argument(&sent(114, None)).is_err());
    }

    #[test]
    fn arrays_keep_their_elements_and_what_is_null() {
        let id = Uuid::from_u128(7);
        let array = [
            b"\0\0\0\x01\0\0\0\x01\0\0\x0b\x86\0\0\0\x02\0\0\0\x01\0\0\0\x10".as_slice(),
            id.as_bytes(),
            b"\xff\xff\xff\xff",
        ]
        .concat();
        let read = argument(&sent(2951, Some(&array))).expect("known");
        assert_eq!(read, Argument::Uuids(Some(vec![Some(id), None])));
        let empty = argument(&sent(2951, Some(b"\0\0\0\0\0\0\0\0\0\0\x0b\x86"))).expect("known");
        assert_eq!(empty, Argument::Uuids(Some(Vec::new())));
        assert!(argument(&sent(2951, Some(&array[..40]))).is_err());
    }

    #[test]
    fn one_statement_at_a_time_is_repeated() {
        let id = Uuid::from_u128(7);
        let arguments = vec![sent(2950, Some(id.as_bytes())), sent(20, None)];
        let executed = Executed { sql: "select $1, $2".to_owned(), arguments };
        let arguments = vec![Argument::Uuid(Some(id)), Argument::Int8(None)];
        let round = Round::Prepared { sql: "select $1, $2".to_owned(), arguments };
        assert_eq!(repeatable(Trip::Executed(vec![executed.clone()])).ok(), Some(round));
        assert!(repeatable(Trip::Executed(vec![executed.clone(), executed])).is_err());
        let batch = "begin; set local role x".to_owned();
        assert_eq!(repeatable(Trip::Text(batch.clone())).ok(), Some(Round::Simple(batch)));
        assert!(repeatable(Trip::Prepared("select 1".to_owned())).is_err());
    }
}
