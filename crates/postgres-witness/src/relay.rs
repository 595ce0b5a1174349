//! The socket that passes everything on.

use std::io::Result;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::wire::{Reader, Trip};

/// A round trip, and on which connection it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Counted from 1, in the order in which they were opened.
    pub connection: usize,
    /// Whether that was opened for reading only.
    pub read_only: bool,
    pub trip: Trip,
}

/// The witness. No connection is taken any more when this value goes.
#[derive(Debug)]
pub struct Witness {
    noted: Arc<Mutex<Vec<Noted>>>,
    task: JoinHandle<()>,
}

impl Witness {
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

    /// What was asked since the last call, in the order in which it was sent.
    pub fn take(&self) -> Vec<Noted> {
        std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Witness {
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
        let read_only = reader.read_only;
        let trips = trips.into_iter().map(|trip| Noted { connection, read_only, trip });
        log.lock().unwrap_or_else(PoisonError::into_inner).extend(trips);
        to_server.write_all(&buffer[..count]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: &[u8] = b"\0\0\0\x09\0\x03\0\0\0";
    const ASKED: &[u8] = b"Q\0\0\0\x0dselect 1\0";
    const PING: &[u8] = b"S\0\0\0\x04";

    /// Sends, and waits for what the server was sent to come back.
    async fn echoed(client: &mut UnixStream, sent: &[u8]) {
        client.write_all(sent).await.expect("sent");
        let mut answer = vec![0; sent.len()];
        client.read_exact(&mut answer).await.expect("answered");
        assert_eq!(answer, sent);
    }

    /// A server that sends everything back.
    fn echo(socket: &Path) {
        let listener = UnixListener::bind(socket).expect("bound");
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from, mut to) = client.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
            }
        });
    }

    #[tokio::test]
    async fn what_is_asked_is_passed_on_and_noted_before_the_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let (server, socket) = (folder.path().join("server"), folder.path().join("witness"));
        echo(&server);
        let witness = Witness::start(&socket, &server).expect("started");
        let mut first = UnixStream::connect(&socket).await.expect("connected");
        echoed(&mut first, &[OPENED, ASKED].concat()).await;
        let noted = |connection, trip| Noted { connection, read_only: false, trip };
        let asked = || Trip::Text("select 1".to_owned());
        assert_eq!(witness.take(), [noted(1, asked())]);
        let mut second = UnixStream::connect(&socket).await.expect("connected");
        echoed(&mut second, &[OPENED, PING].concat()).await;
        echoed(&mut first, ASKED).await;
        assert_eq!(witness.take(), [noted(2, Trip::Ping), noted(1, asked())]);
        assert!(witness.take().is_empty());
    }

    #[tokio::test]
    async fn whoever_cannot_be_understood_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let (server, socket) = (folder.path().join("server"), folder.path().join("witness"));
        echo(&server);
        let _witness = Witness::start(&socket, &server).expect("started");
        let mut client = UnixStream::connect(&socket).await.expect("connected");
        echoed(&mut client, OPENED).await;
        client.write_all(b"B\0\0\0\x0d\0never\0\0\0").await.expect("sent");
        assert_eq!(client.read(&mut [0; 1]).await.expect("ended"), 0);
    }
}
