//! A mail server on loopback. It speaks SMTP (RFC 5321), and does what such servers do when they
//! are not well.

use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::secured::acceptor;

/// When the server speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secured {
    Never,
    FromTheBeginning,
    /// By STARTTLS (RFC 3207); nobody signs in before.
    WhenAsked,
}

/// How a conversation ended.
#[derive(Debug, PartialEq, Eq)]
enum Went {
    Away,
    ToBeSecured,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// How the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// 451: another time.
    Busy,
    /// 550: never.
    Refusing,
    /// 554 for whoever comes.
    ShuttingOut,
    /// 535 for whoever signs in.
    KnowingNobody,
    /// 553 for whoever sends.
    DislikingTheSender,
    /// Goes without a word when it has the mail.
    HangingUp,
    /// Says nothing to whoever names a recipient, until it is of another mood.
    Silent,
}

/// What somebody handed over.
#[derive(Debug, Clone, Default)]
pub struct Received {
    pub from: String,
    pub to: String,
    pub message: String,
}

#[derive(Debug, Clone)]
pub struct MailServer {
    pub url: String,
    mood: watch::Sender<Mood>,
    /// How many wait for a word.
    waiting: watch::Sender<usize>,
    received: Arc<Mutex<Vec<Received>>>,
    /// The first words of every line that came, bodies of mails apart.
    commands: Arc<Mutex<Vec<String>>>,
    signed_in: Arc<Mutex<Option<String>>>,
}

impl MailServer {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, mood)
    }

    pub fn on(listener: TcpListener, mood: Mood) -> Self {
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        Self::serving(listener, (url, mood), Secured::Never)
    }

    /// One that speaks TLS, from the beginning or when it is asked to.
    pub async fn start_secured(secured: Secured) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match secured {
            Secured::FromTheBeginning => format!("smtps://localhost:{port}"),
            _ => format!("smtp://localhost:{port}?tls=required"),
        };
        Self::serving(listener, (url, Mood::Well), secured)
    }

    fn serving(listener: TcpListener, (url, mood): (String, Mood), secured: Secured) -> Self {
        let server = Self {
            url,
            mood: watch::Sender::new(mood),
            waiting: watch::Sender::new(0),
            received: Arc::default(),
            commands: Arc::default(),
            signed_in: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                // Whoever goes away is no concern of the server's.
                tokio::spawn(async move { drop(server.answer(stream, secured).await) });
            }
        });
        server
    }

    pub fn is_now(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// With what somebody signed in last.
    pub fn signed_in(&self) -> Option<String> {
        self.signed_in.lock().unwrap().clone()
    }

    fn is(&self, mood: Mood) -> bool {
        *self.mood.borrow() == mood
    }

    pub fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }

    /// Until so many wait for a word.
    pub async fn until_waiting(&self, number: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting >= number).await.unwrap();
    }

    async fn answer(&self, stream: TcpStream, secured: Secured) -> io::Result<()> {
        let mut plain = BufStream::new(stream);
        if secured == Secured::FromTheBeginning {
            let stream = acceptor().accept(plain.into_inner()).await?;
            return self.greet_and_converse(BufStream::new(stream)).await;
        }
        greet(self, &mut plain).await?;
        if self.converse(&mut plain, secured).await? == Went::ToBeSecured {
            let stream = acceptor().accept(plain.into_inner()).await?;
            self.converse(&mut BufStream::new(stream), Secured::Never).await?;
        }
        Ok(())
    }

    async fn greet_and_converse(&self, mut stream: BufStream<impl Stream>) -> io::Result<()> {
        greet(self, &mut stream).await?;
        self.converse(&mut stream, Secured::Never).await.map(drop)
    }

    async fn converse(
        &self,
        stream: &mut BufStream<impl Stream>,
        secured: Secured,
    ) -> io::Result<Went> {
        let mut received = Received::default();
        if self.is(Mood::ShuttingOut) {
            return Ok(Went::Away);
        }
        while let Some(line) = line(stream).await? {
            let command = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            self.commands.lock().unwrap().push(command.clone());
            let answer = match command.as_str() {
                "EHLO" if secured == Secured::WhenAsked => {
                    "250-mail.test\r\n250-AUTH PLAIN\r\n250 STARTTLS"
                }
                "EHLO" => "250-mail.test\r\n250-AUTH PLAIN\r\n250 8BITMIME",
                "STARTTLS" if secured == Secured::WhenAsked => {
                    say(stream, "220 go on").await?;
                    return Ok(Went::ToBeSecured);
                }
                "AUTH" if self.is(Mood::KnowingNobody) => "535 who are you",
                "AUTH" => {
                    *self.signed_in.lock().unwrap() = line.split(' ').nth(2).map(decoded);
                    "235 welcome"
                }
                "MAIL" if self.is(Mood::DislikingTheSender) => "553 not from there",
                "MAIL" => {
                    received.from = address(&line);
                    "250 OK"
                }
                "RCPT" => {
                    received.to = address(&line);
                    self.judge().await
                }
                "DATA" => {
                    say(stream, "354 go on").await?;
                    while let Some(line) = self::line(stream).await?.filter(|line| line != ".") {
                        let line = line.strip_prefix('.').unwrap_or(&line);
                        received.message.push_str(line);
                        received.message.push_str("\r\n");
                    }
                    if self.is(Mood::HangingUp) {
                        return Ok(Went::Away);
                    }
                    self.received.lock().unwrap().push(std::mem::take(&mut received));
                    "250 taken"
                }
                "QUIT" => "221 bye",
                _ => "250 OK",
            };
            say(stream, answer).await?;
        }
        Ok(Went::Away)
    }

    async fn judge(&self) -> &'static str {
        let mut mood = self.mood.subscribe();
        self.waiting.send_modify(|waiting| *waiting += 1);
        let settled = mood.wait_for(|mood| *mood != Mood::Silent).await.unwrap();
        self.waiting.send_modify(|waiting| *waiting -= 1);
        match *settled {
            Mood::Busy => "451 another time",
            Mood::Refusing => "550 no such person",
            _ => "250 OK",
        }
    }
}

async fn greet(server: &MailServer, stream: &mut BufStream<impl Stream>) -> io::Result<()> {
    say(stream, if server.is(Mood::ShuttingOut) { "554 not you" } else { "220 mail.test ready" })
        .await
}

async fn say(stream: &mut BufStream<impl Stream>, answer: &str) -> io::Result<()> {
    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// The next line, without its end.
async fn line(stream: &mut BufStream<impl Stream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let is_one = stream.read_line(&mut line).await? > 0;
    Ok(is_one.then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// What somebody signs in with (RFC 4616).
fn decoded(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}
