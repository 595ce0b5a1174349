//! Mail, as it leaves the service: to an SMTP server (RFC 5321), or as files into a folder.

mod server;

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use uuid::Uuid;

use super::error::{Error, Result};

pub(super) use server::{Security, Server};

/// For each step of a conversation with the server.
const STEP: Duration = Duration::from_secs(20);

/// Something to be told to somebody.
#[derive(Clone)]
pub struct Letter {
    /// The same when it is sent again: receivers drop what they have.
    pub id: Uuid,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A letter may hold what nobody else should see.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Taken,
    /// For good: sending it again would be in vain.
    Refused(String),
}

/// Sends mail, where that was set up. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mailer(Option<Arc<Outlet>>);

#[derive(Debug)]
struct Outlet {
    from: Mailbox,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

impl Mailer {
    /// Nobody is told anything.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// To the server that a URL names.
    pub fn to_server(from: &str, url: &str) -> Result<Self> {
        let server = Server::parse(url);
        let server = server.ok_or_else(|| Error::internal("the mail server cannot be read"))?;
        Self::by(from, Way::Smtp(transport(server)?))
    }

    /// Into a folder, which is made when it is needed.
    pub fn to_folder(from: &str, folder: PathBuf) -> Result<Self> {
        Self::by(from, Way::Folder(folder))
    }

    fn by(from: &str, way: Way) -> Result<Self> {
        let from = from.parse().map_err(Error::internal)?;
        Ok(Self(Some(Arc::new(Outlet { from, way }))))
    }

    #[must_use]
    pub fn is_set_up(&self) -> bool {
        self.0.is_some()
    }

    /// An error: it may be taken when it is sent again.
    pub async fn send(&self, letter: Letter) -> Result<Delivery> {
        let Some(outlet) = self.0.clone() else {
            return Err(Error::internal("no mail is set up"));
        };
        let message = match composed(&outlet.from, &letter) {
            Ok(message) => message,
            Err(wrong) => return Ok(Delivery::Refused(wrong.to_string())),
        };
        match &outlet.way {
            Way::Smtp(transport) => match transport.send(message).await {
                Ok(_) => Ok(Delivery::Taken),
                Err(error) if error.is_permanent() => Ok(Delivery::Refused(error.to_string())),
                Err(error) => Err(Error::internal(error)),
            },
            Way::Folder(folder) => {
                let (folder, id) = (folder.clone(), letter.id);
                let written = move || written(&folder, id, &message.formatted());
                tokio::task::spawn_blocking(written)
                    .await
                    .map_err(Error::internal)?
                    .map_err(Error::internal)?;
                Ok(Delivery::Taken)
            }
        }
    }
}

fn transport(server: Server) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let parameters = || TlsParameters::new(server.host.clone()).map_err(Error::internal);
    let tls = match server.security {
        Security::Tls => Tls::Wrapper(parameters()?),
        Security::StartTls => Tls::Required(parameters()?),
        Security::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
        .port(server.port)
        .tls(tls)
        .timeout(Some(STEP));
    if let Some((user, password)) = server.credentials {
        builder = builder.credentials((user, password).into());
    }
    Ok(builder.build())
}

fn composed(from: &Mailbox, letter: &Letter) -> anyhow::Result<Message> {
    let parts = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
    let id = format!("<{}@{}>", letter.id, from.email.domain());
    // So that no program answers it (RFC 3834).
    let header = HeaderName::new_from_ascii_str("Auto-Submitted");
    let automatic = HeaderValue::new(header, "auto-generated".to_owned());
    let message = Message::builder()
        .from(from.clone())
        .to(letter.to.parse()?)
        .subject(letter.subject.clone())
        .message_id(Some(id))
        .raw_header(automatic)
        .multipart(parts)?;
    Ok(message)
}

/// For its owner's eyes only, and never there by half.
fn written(folder: &Path, id: Uuid, message: &[u8]) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (half, whole) = (folder.join(format!(".{id}")), folder.join(format!("{id}.eml")));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(message)?;
    file.sync_all()?;
    std::fs::rename(half, whole)
}
