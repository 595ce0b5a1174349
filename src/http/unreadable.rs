//! Answers to what is no HTTP request. hyper refuses by itself what it cannot read (a request line,
//! a header, too many of them), with a head, without a body, and asks nobody. It is seen here on
//! its way to the client, and gets the body that all refusals have.
//!
//! This cannot go wrong by mistake: hyper writes such a head in one piece, as the last thing on a
//! connection, with nothing but length, date and `connection: close` in it; every answer of the
//! service has more headers, and no body of it holds raw line ends like these. Over HTTP/2 there is
//! nothing to be done: what cannot be read there is told by a frame that has no room for a body.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::HeaderValue;
use axum::response::IntoResponse;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uuid::Uuid;

use super::{MAX_HEADER_BYTES, MAX_URI_BYTES, problem, protection};
use crate::kernel::error::{Code, Error};
use crate::kernel::telemetry;

/// Longer than any head that hyper writes by itself.
const LONGEST: usize = 256;
/// The most headers that hyper reads, where nothing else is set.
const MAX_HEADERS: usize = 100;
/// All that there is in one.
const HEADERS: [&str; 3] = ["connection", "content-length", "date"];

/// A connection on which refusals of hyper's own are explained.
#[derive(Debug)]
pub(super) struct Explaining<S> {
    stream: S,
    peer: IpAddr,
    /// What takes the place of a head that hyper wrote, as far as it is not sent yet.
    unsent: Vec<u8>,
}

impl<S> Explaining<S> {
    pub fn new(stream: S, peer: IpAddr) -> Self {
        Self { stream, peer: peer.to_canonical(), unsent: Vec::new() }
    }
}

impl<S: AsyncWrite + Unpin> Explaining<S> {
    fn poll_unsent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explaining<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(context))?;
        match refusal(bytes) {
            Some((0, head, status)) => {
                this.unsent = explained(head, status, this.peer);
                Poll::Ready(Ok(bytes.len()))
            }
            // First the rest of what was answered before.
            Some((before, ..)) => Pin::new(&mut this.stream).poll_write(context, &bytes[..before]),
            None => Pin::new(&mut this.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Heads come first, and whole.
        if let Some(head) = slices.first().filter(|first| refusal(first).is_some()) {
            return self.poll_write(context, head);
        }
        let this = self.get_mut();
        ready!(this.poll_unsent(context))?;
        Pin::new(&mut this.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explaining<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

/// The head that hyper wrote by itself, if that is what these bytes end with: where it begins, and
/// its status.
fn refusal(bytes: &[u8]) -> Option<(usize, &str, u16)> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let tail = bytes.len().saturating_sub(LONGEST);
    let begin = tail + bytes[tail..].windows(7).rposition(|word| word == b"HTTP/1.")?;
    let head = std::str::from_utf8(&bytes[begin..]).ok()?;
    let (line, headers) = head.split_once("\r\n")?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let is_bare = headers.lines().filter(|header| !header.is_empty()).all(|header| {
        let name = header.split(':').next().unwrap_or_default();
        HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known))
    });
    let is_refusal =
        [400, 414, 431].contains(&status) && is_bare && headers.contains("content-length: 0\r\n");
    is_refusal.then_some((begin, head, status))
}

/// The same refusal as others are: with a document, an id, and a line in the log.
fn explained(head: &str, status: u16, peer: IpAddr) -> Vec<u8> {
    let request_id = Uuid::now_v7().to_string();
    let _span = tracing::error_span!(target: telemetry::REQUEST, "request", request_id).entered();
    let asked = problem::Asked { path: "", request_id: &request_id, with_token: false };
    let mut response = problem::render(error(status).into_response(), asked);
    telemetry::unreadable(status, peer);
    protection::add(response.headers_mut(), "", false);
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    let (parts, body) = response.into_parts();
    // It is there already, whole.
    let body = body
        .collect()
        .now_or_never()
        .and_then(Result::ok)
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let kept = head.lines().filter(|line| {
        !line.is_empty() && !line.to_ascii_lowercase().starts_with("content-length:")
    });
    let mut answer: Vec<u8> =
        kept.flat_map(|line| [line.as_bytes(), b"\r\n"]).flatten().copied().collect();
    for (name, value) in &parts.headers {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
    answer.extend(body);
    answer
}

fn error(status: u16) -> Error {
    match status {
        414 => {
            Error::new(Code::UriTooLong, format!("The URL may have at most {MAX_URI_BYTES} bytes."))
        }
        // Which of them was too large, hyper does not say.
        431 => Error::new(
            Code::HeadersTooLarge,
            format!(
                "The request line and the headers are too large: a URL may have {MAX_URI_BYTES} \
                 bytes, all headers together {MAX_HEADER_BYTES}, and there may be {MAX_HEADERS} of \
                 them."
            ),
        ),
        _ => Error::new(
            Code::MalformedRequest,
            "The request line or a header is not as HTTP/1.1 has it.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const HEAD: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: \
        0\r\ndate: Sat, 28 Nov 2026 22:38:08 GMT\r\n\r\n";
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: r\r\n\r\n{}";

    /// What arrives of what is written, through a pipe that takes few bytes at a time.
    async fn arrived(written: &str) -> String {
        let (ours, mut theirs) = duplex(7);
        let mut connection = Explaining::new(ours, [127, 0, 0, 1].into());
        let writing = async {
            connection.write_all(written.as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
            drop(connection);
        };
        let mut text = String::new();
        let ((), read) = tokio::join!(writing, theirs.read_to_string(&mut text));
        read.unwrap();
        text
    }

    #[tokio::test]
    async fn a_bare_refusal_gets_a_body_and_nothing_else_is_touched() {
        let told = arrived(&format!("{ANSWER}{HEAD}")).await;
        let refusal = told.strip_prefix(ANSWER).unwrap();
        let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(
                "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ndate: Sat, 28 \
            Nov 2026 22:38:08 GMT\r\n"
            ),
            "{head}"
        );
        assert!(
            head.contains(&format!("content-length: {}", body.len()))
                && body.contains(r#""code":"malformed_request""#),
            "{told}"
        );
        let with_more = HEAD.replace("date:", "x-request-id: r\r\ndate:");
        let with_body = format!("{}x", HEAD.replace("content-length: 0", "content-length: 1"));
        for untouched in [
            ANSWER,
            &with_more,
            &with_body,
            &format!("{HEAD}x"),
            &HEAD.replace("400 Bad Request", "204 No Content"),
            "\r\n\r\n",
            "",
        ] {
            assert_eq!(arrived(untouched).await, untouched);
        }
    }
}
