//! A witness between the service and PostgreSQL: a socket that passes everything on and notes what
//! was asked. It counts round trips as they are on the wire, and its record is what the bare
//! handlers and pgbench repeat, so that those never compare with an older text of a statement.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::plan::Visit;
use crate::wire::{Reader, Trip};

#[derive(Debug, Clone)]
struct Noted {
    connection: usize,
    reader: bool,
    trip: Trip,
}

/// The witness; it goes away with this value.
#[derive(Debug)]
pub struct Recorder {
    noted: Arc<Mutex<Vec<Noted>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Listens on `socket` and passes on to `server`.
    pub fn start(socket: &Path, server: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let noted = Arc::new(Mutex::new(Vec::new()));
        let (log, server) = (noted.clone(), server.to_owned());
        let task = tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((client, _)) = listener.accept().await {
                connection += 1;
                if let Ok(upstream) = UnixStream::connect(&server).await {
                    tokio::spawn(pass_on(client, upstream, connection, log.clone()));
                }
            }
        });
        Ok(Self { noted, task })
    }

    /// What was asked since the last call.
    pub fn collect(&self) -> Record {
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        let mut record = Record::default();
        let mut visits: Vec<(usize, Visit)> = Vec::new();
        for Noted { connection, reader, trip } in noted {
            let round = match trip {
                Trip::Asked(round) => round,
                Trip::Ping => {
                    record.pings += 1;
                    continue;
                }
                Trip::Other => {
                    record.others += 1;
                    continue;
                }
            };
            record.asked += 1;
            if visits.last().is_none_or(|(last, _)| *last != connection) {
                visits.push((connection, Visit { reader, rounds: Vec::new() }));
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
    pub others: u32,
    pub visits: Vec<Visit>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(
    client: UnixStream,
    server: UnixStream,
    connection: usize,
    log: Arc<Mutex<Vec<Noted>>>,
) -> Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let (mut buffer, mut reader) = (vec![0; 64 * 1024], Reader::default());
    loop {
        let count = from_client.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        // Noted before it is passed on, so that whoever has the answer finds it noted.
        let trips = reader.take(&buffer[..count])?;
        let is_reader = reader.read_only;
        let trips = trips.into_iter().map(|trip| Noted { connection, reader: is_reader, trip });
        log.lock().unwrap_or_else(PoisonError::into_inner).extend(trips);
        to_server.write_all(&buffer[..count]).await?;
    }
}
