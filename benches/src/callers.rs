//! Callers of our own, for where wrk is not installed: each asks again as soon as it was answered.
//! They cost more than wrk does, so that figures come from wrk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client;
use crate::load::{CONNECTIONS, Measured, percentile, precise};

/// Keeps the connections busy with one request for so long.
pub async fn ask(url: &str, headers: &[(String, String)], how_long: Duration) -> Result<Measured> {
    let (address, path) = client::parts(url)?;
    let request: Arc<[u8]> = client::request(address, "GET", path, headers, "").into_bytes().into();
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        callers.spawn(call(address, request.clone(), began + how_long));
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

#[derive(Clone, Copy)]
struct Answered {
    status: u16,
    microseconds: f64,
}

async fn call(address: SocketAddr, request: Arc<[u8]>, until: Instant) -> Result<Vec<Answered>> {
    let mut connection = BufReader::new(TcpStream::connect(address).await?);
    connection.get_ref().set_nodelay(true)?;
    let mut answers = Vec::new();
    // Each asks at least once, however slow the machine is.
    while answers.is_empty() || Instant::now() < until {
        let began = Instant::now();
        connection.get_mut().write_all(&request).await?;
        let status = read(&mut connection).await?;
        answers.push(Answered { status, microseconds: began.elapsed().as_secs_f64() * 1e6 });
    }
    Ok(answers)
}

/// Reads an answer to its end and tells its status.
async fn read(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<u16> {
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("an answer that begins with {line:?}"))?;
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse()?;
        }
    }
    let skipped = tokio::io::copy(&mut connection.take(length), &mut tokio::io::sink()).await?;
    anyhow::ensure!(skipped == length, "an answer broke off");
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_are_read_one_after_the_other() {
        let mut stream: &[u8] =
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbodyHTTP/1.1 304 Not \
            Modified\r\netag: x\r\n\r\nHTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nbroken";
        assert_eq!(read(&mut stream).await.expect("whole"), 200);
        assert_eq!(read(&mut stream).await.expect("without a body"), 304);
        assert!(read(&mut stream).await.is_err());
    }
}
