//! As much of an HTTP client as asking once takes. The load comes from elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plan::Ask;

const PATIENCE: Duration = Duration::from_secs(10);

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Result<Value> {
        anyhow::ensure!(self.status < 300, "the service answered {}: {}", self.status, self.body);
        Ok(serde_json::from_str(&self.body)?)
    }
}

pub async fn get(address: SocketAddr, path: &str, headers: &[(String, String)]) -> Result<Answer> {
    send(address, &Ask::get(path, headers.to_vec())).await
}

pub async fn call(
    address: SocketAddr,
    (method, path): (&str, &str),
    headers: &[(String, String)],
    body: &Value,
) -> Result<Answer> {
    send(address, &Ask::sending(method, path, headers.to_vec(), body)).await
}

/// Asks once, as the first caller.
pub async fn send(address: SocketAddr, ask: &Ask) -> Result<Answer> {
    let closing = [("Connection".to_owned(), "close".to_owned())];
    let caller = ask.callers.first().context("nobody asks")?;
    let request = ask.request(address, &[caller, &closing[..]].concat());
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .with_context(|| format!("no answer to {} {}", ask.method, ask.path))??;
    parse(&String::from_utf8(answer)?)
}

fn parse(answer: &str) -> Result<Answer> {
    let (head, body) =
        answer.split_once("\r\n\r\n").context("an answer without an end of its head")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("an answer without a status")?;
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let etag = headers
        .find(|(name, _)| name.eq_ignore_ascii_case("etag"))
        .map(|(_, value)| value.to_owned());
    Ok(Answer { status, etag, body: body.to_owned() })
}
