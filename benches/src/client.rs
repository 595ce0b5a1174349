//! As much of an HTTP client as asking once takes. The load comes from elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    send(address, "GET", path, headers, "").await
}

pub async fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Answer> {
    send(
        address,
        "POST",
        path,
        &[("Content-Type".to_owned(), "application/json".to_owned())],
        &body.to_string(),
    )
    .await
}

/// A request as it is sent.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &str,
) -> String {
    let line = |(name, value): &(String, String)| [name, ": ", value, "\r\n"].concat();
    let headers = headers.iter().map(line).collect::<Vec<_>>().concat();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n\
            {body}"
    )
}

/// Address and path of a URL of ours.
pub fn parts(url: &str) -> Result<(SocketAddr, &str)> {
    let rest = url.strip_prefix("http://").context("a URL of ours")?;
    let (address, path) = rest.split_at(rest.find('/').context("a URL of ours")?);
    Ok((address.parse()?, path))
}

async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &str,
) -> Result<Answer> {
    let closing = ("Connection".to_owned(), "close".to_owned());
    let request = request(address, method, path, &[headers, &[closing]].concat(), body);
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .with_context(|| format!("no answer to {method} {path}"))??;
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
