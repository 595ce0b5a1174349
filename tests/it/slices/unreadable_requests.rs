//! What is no HTTP request, over a real socket: it is refused as everything is, with a document
//! that says why and by which id the log knows it.

use bailiwick::kernel::telemetry;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::connections::{Listening, read_to_end};
use crate::harness::TestApp;
use crate::harness::log::Log;

const GOOD: &str = "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n";

/// An answer's status, headers in small letters, and body, as far as its length goes; and what
/// follows.
struct Read {
    status: u16,
    headers: String,
    body: String,
    rest: String,
}

impl Read {
    fn of(text: &str) -> Self {
        let (head, rest) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let headers = head.to_lowercase() + "\r\n";
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let (body, rest) = rest.split_at(header(&headers, "content-length").parse().unwrap());
        Self { status, headers, body: body.to_owned(), rest: rest.to_owned() }
    }

    #[track_caller]
    fn is_refused(&self, status: u16, code: &str) -> String {
        assert_eq!(
            (self.status, self.rest.as_str()),
            (status, ""),
            "{}{}",
            self.headers,
            self.body
        );
        for (name, value) in [
            ("content-type", "application/problem+json"),
            ("connection", "close"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(header(&self.headers, name), value, "{}", self.headers);
        }
        assert!(!header(&self.headers, "date").is_empty());
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(
            (&problem["code"], &problem["status"], &problem["type"]),
            (&code.into(), &status.into(), &format!("/problems/{code}").into())
        );
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        let id = problem["requestId"].as_str().unwrap().to_owned();
        assert_eq!(header(&self.headers, "x-request-id"), id);
        id
    }
}

#[track_caller]
fn header<'a>(headers: &'a str, name: &str) -> &'a str {
    let lines: Vec<&str> =
        headers.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect();
    assert_eq!(lines.len(), 1, "{name}: {headers}");
    lines[0]
}

fn counted(status: u16) -> u64 {
    let line = format!(
        "bailiwick_http_requests_total{{method=\"other\",route=\"unreadable\",\
         status=\"{status}\"}} "
    );
    let text = telemetry::metrics_handle().render();
    text.lines()
        .find_map(|found| found.strip_prefix(&line))
        .map_or(0, |number| number.parse().unwrap())
}

#[tokio::test]
async fn whatever_cannot_be_read_is_refused_with_a_document() {
    telemetry::metrics_handle();
    let listening = Listening::start(&TestApp::start().await).await;
    let get = "GET /healthz HTTP/1.1\r\nHost: b\r\n";
    let (bad, large) = ((400, "malformed_request"), (431, "headers_too_large"));
    let endless = format!("GET /{}", "a".repeat(70_000));
    let cases = [
        ("GARBAGE\r\n\r\n".to_owned(), bad),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}".to_owned(), bad),
        ("GET\r\n\r\n".to_owned(), bad),
        ("GET /healthz HTTP/7.3\r\nHost: b\r\n\r\n".to_owned(), bad),
        ("G(T /healthz HTTP/1.1\r\nHost: b\r\n\r\n".to_owned(), bad),
        ("GET /health z HTTP/1.1\r\nHost: b\r\n\r\n".to_owned(), bad),
        (format!("{get}no colon\r\n\r\n"), bad),
        (format!("{get}X-Control: a\u{1}b\r\n\r\n"), bad),
        (format!("{get}X Blank: a\r\n\r\n"), bad),
        (format!("{get}Content-Length: ten\r\n\r\n"), bad),
        (format!("{get}Transfer-Encoding: nonsense\r\n\r\n"), bad),
        ("PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n".to_owned(), bad),
        (format!("{get}{}\r\n", "X-Many: 1\r\n".repeat(101)), large),
        (format!("{get}X-Endless: {}", "a".repeat(100_000)), large),
        (endless, large),
    ];
    for (sent, (status, code)) in cases {
        let (log, before) = (Log::json("info"), counted(status));
        let read = Read::of(&listening.ask(&sent).await);
        let id = read.is_refused(status, code);
        let body: Value = serde_json::from_str(&read.body).unwrap();
        let detail = body["detail"].as_str().unwrap();
        let limits = ["8192", "16384", "100"].map(|limit| detail.contains(limit));
        assert_eq!(
            limits,
            [status == 431; 3],
            "whichever it was, the limit is told: {}",
            read.body
        );
        let lines = log.objects(&id);
        assert_eq!(lines.len(), 1, "{}", log.all());
        assert_eq!(
            (&lines[0]["status"], &lines[0]["client"]),
            (&status.into(), &"127.0.0.1".into())
        );
        assert!(counted(status) > before);
    }
}

#[tokio::test]
async fn what_was_answered_before_arrives_whole() {
    let listening = Listening::start(&TestApp::start().await).await;
    for good in [GOOD, "GET /openapi.json HTTP/1.1\r\nHost: b\r\n\r\n"] {
        let first = Read::of(&listening.ask(&format!("{good}{good}GARBAGE\r\n\r\n")).await);
        assert_eq!(first.status, 200);
        serde_json::from_str::<Value>(&first.body).unwrap();
        let second = Read::of(&first.rest);
        assert_eq!((second.status, &second.body), (200, &first.body));
        Read::of(&second.rest).is_refused(400, "malformed_request");
    }
    // In pieces, as they may come.
    let mut stream = listening.connect().await;
    for piece in [GOOD, "GET / HT", "TP/1.1\r\nno co", "lon\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    let first = Read::of(&read_to_end(&mut stream).await);
    assert_eq!(first.status, 200);
    Read::of(&first.rest).is_refused(400, "malformed_request");
}

/// HTTP/2 tells by frames, and so ends.
#[tokio::test]
async fn nonsense_in_http_2_is_no_answer_in_http_1() {
    let listening = Listening::start(&TestApp::start().await).await;
    let answer = listening
        .ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthese are no frames at all, but for their length")
        .await;
    assert!(!answer.contains("HTTP/1.1"), "{answer:?}");
    assert_eq!(
        Read::of(&listening.ask(&GOOD.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await)
            .status,
        200
    );
}
