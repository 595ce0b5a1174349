//! A list of stolen passwords on loopback, asked by ranges as Pwned Passwords is. It does what such
//! services do when they are not well.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use sha1::{Digest, Sha1};
use tokio::net::{TcpListener, TcpStream};

use super::secured::acceptor;

/// How the list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    Broken,
    /// Says nothing.
    Silent,
    /// Says its first word, and then nothing.
    Stuck,
    /// Never stops.
    Endless,
    /// Tells something else.
    Babbling,
    /// Has nothing to say.
    Empty,
    /// Knows somebody else who would know.
    Elsewhere,
}

/// What somebody asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub range: String,
    pub padded: bool,
    pub agent: String,
}

#[derive(Debug, Clone)]
pub struct Ranges {
    pub url: String,
    mood: Arc<Mutex<Mood>>,
    stolen: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// The SHA-1 of a password in capital letters.
fn digest(password: &str) -> String {
    let mut text = String::new();
    for byte in Sha1::digest(password.as_bytes()) {
        write!(text, "{byte:02X}").unwrap();
    }
    text
}

impl Ranges {
    /// With these passwords in it.
    pub async fn with(stolen: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ranges = Self::at(format!("http://{}/range", listener.local_addr().unwrap()), stolen);
        let router = ranges.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        ranges
    }

    /// The same, which proves that it is `localhost`.
    pub async fn secured_with(stolen: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ranges = Self::at(format!("https://localhost:{port}/range/"), stolen);
        let router = ranges.router();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_secured(stream, router.clone()));
            }
        });
        ranges
    }

    fn at(url: String, stolen: &[&str]) -> Self {
        let stolen = stolen.iter().map(|password| digest(password)).collect();
        let stolen = Arc::new(Mutex::new(stolen));
        Self { url, mood: Arc::new(Mutex::new(Mood::Well)), stolen, asked: Arc::default() }
    }

    fn router(&self) -> Router {
        Router::new().route("/range/{range}", get(answer)).with_state(self.clone())
    }

    pub fn is_now(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn lines(&self, range: &str) -> String {
        let stolen = self.stolen.lock().unwrap();
        let known = stolen.iter().filter_map(|digest| digest.strip_prefix(range));
        let mut lines = String::new();
        for number in 0..20 {
            write!(lines, "{number:035X}:{}\r\n", number % 2).unwrap();
        }
        for rest in known {
            write!(lines, "{rest}:42\r\n").unwrap();
        }
        lines
    }
}

async fn serve_secured(stream: TcpStream, router: Router) {
    // Whoever does not trust it goes away.
    let Ok(stream) = acceptor().accept(stream).await else { return };
    let stream = hyper_util::rt::TokioIo::new(stream);
    let service = hyper_util::service::TowerToHyperService::new(router);
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
}

async fn answer(State(ranges): State<Ranges>, uri: Uri, headers: HeaderMap) -> Response {
    let range = uri.path().rsplit('/').next().unwrap().to_owned();
    let text = |name| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let asked = Asked {
        padded: text("add-padding") == "true",
        agent: text("user-agent"),
        range: range.clone(),
    };
    ranges.asked.lock().unwrap().push(asked);
    let lines = ranges.lines(&range);
    let first = Bytes::from_static(b"0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n");
    let mood = *ranges.mood.lock().unwrap();
    match mood {
        Mood::Well => lines.into_response(),
        Mood::Broken => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Stuck => {
            let stuck = stream::unfold(Some(first), |next| async move {
                match next {
                    Some(word) => Some((Ok::<_, std::io::Error>(word), None)),
                    None => std::future::pending().await,
                }
            });
            Body::from_stream(stuck).into_response()
        }
        Mood::Endless => {
            let endless = stream::repeat_with(move || Ok::<_, std::io::Error>(first.clone()));
            Body::from_stream(endless).into_response()
        }
        Mood::Babbling => "<html>Welcome to this network: sign in first</html>".into_response(),
        Mood::Empty => StatusCode::OK.into_response(),
        Mood::Elsewhere => {
            let there = format!("/range/{range}?there");
            (StatusCode::FOUND, [(header::LOCATION, there)], lines).into_response()
        }
    }
}
