//! Callers of our own, for where wrk is not installed: each asks again as soon as it was answered.
//! They cost more than wrk does, so that figures come from wrk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::load::{CONNECTIONS, Measured, percentile, precise};
use crate::plan::Ask;

/// Keeps the connections busy for so long.
pub async fn ask(address: SocketAddr, ask: &Ask, how_long: Duration) -> Result<Measured> {
    let requests: Arc<[String]> = ask.requests(address).into();
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for first in 0..CONNECTIONS {
        callers.spawn(call(address, requests.clone(), first, began + how_long));
    }
    let answers = callers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let elapsed = began.elapsed().as_secs_f64();
    let mut latencies: Vec<f64> = answers.iter().map(|answer| answer.microseconds).collect();
    latencies.sort_by(f64::total_cmp);
    let requests = u64::try_from(answers.len())?;
    let errors = answers.iter().filter(|answer| answer.status >= 400).count();
    Ok(Measured {
        requests,
        per_second: precise(requests) / elapsed,
        p50: percentile(&latencies, 50),
        p95: percentile(&latencies, 95),
        p99: percentile(&latencies, 99),
        errors: u64::try_from(errors)?,
    })
}

/// A status, and how long it took.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    pub status: u16,
    pub microseconds: f64,
}

/// One who asks on a connection of their own.
pub struct Caller(BufReader<TcpStream>);

impl Caller {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub async fn ask(&mut self, request: &str) -> Result<Answered> {
        let began = Instant::now();
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let status = read(&mut self.0).await?;
        Ok(Answered { status, microseconds: began.elapsed().as_secs_f64() * 1e6 })
    }
}

async fn call(
    address: SocketAddr,
    requests: Arc<[String]>,
    first: usize,
    until: Instant,
) -> Result<Vec<Answered>> {
    let mut caller = Caller::connect(address).await?;
    let mut answers = Vec::new();
    for request in requests.iter().cycle().skip(first % requests.len()) {
        // Each asks at least once, however slow the machine is.
        if !answers.is_empty() && Instant::now() >= until {
            break;
        }
        answers.push(caller.ask(request).await?);
    }
    Ok(answers)
}

/// Reads an answer to its end and tells its status.
async fn read(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<u16> {
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("an answer that begins with {line:?}"))?;
    let (mut length, mut in_chunks) = (0, false);
    loop {
        line.clear();
        connection.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse()?;
        }
        in_chunks |= name.eq_ignore_ascii_case("transfer-encoding");
    }
    while in_chunks {
        line.clear();
        connection.read_line(&mut line).await?;
        length = u64::from_str_radix(line.trim_end(), 16)?;
        in_chunks = length > 0;
        skip(connection, length + 2).await?; // With the end of its line.
        length = 0;
    }
    skip(connection, length).await?;
    Ok(status)
}

async fn skip(connection: &mut (impl AsyncBufRead + Unpin), length: u64) -> Result<()> {
    let skipped = tokio::io::copy(&mut connection.take(length), &mut tokio::io::sink()).await?;
    anyhow::ensure!(skipped == length, "an answer broke off");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_are_read_one_after_the_other() {
        let mut stream: &[u8] =
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbodyHTTP/1.1 304 Not \
            Modified\r\netag: x\r\n\r\nHTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            a\r\n0123456789\r\n2\r\nab\r\n0\r\n\r\nHTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\n\
            broken";
        assert_eq!(read(&mut stream).await.expect("whole"), 200);
        assert_eq!(read(&mut stream).await.expect("without a body"), 304);
        assert_eq!(read(&mut stream).await.expect("in chunks"), 201);
        assert!(read(&mut stream).await.is_err());
    }
}
