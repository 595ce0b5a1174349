//! Mail, as it leaves the service: to an SMTP server (RFC 5321), or as files into a folder.

mod conversation;
mod server;

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lettre::message::header::{ContentTransferEncoding, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use url::Host;
use uuid::Uuid;

use super::error::{Error, Result};
use super::tls::Authorities;

pub(super) use server::Server;

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

/// The longest line of a mail, in characters without its end (RFC 5322, 2.1.1).
const LONGEST_LINE: usize = 998;

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
    Smtp(Server, Authorities),
    Folder(PathBuf),
}

impl Mailer {
    /// Nobody is told anything.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// To the server that a URL names.
    pub fn to_server(from: &str, url: &str, authorities: Authorities) -> Result<Self> {
        let server = Server::parse(url);
        let server = server.ok_or_else(|| Error::internal("the mail server cannot be read"))?;
        Self::by(from, Way::Smtp(server, authorities))
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
        let Some(to) = address(&letter.to) else {
            return Ok(Delivery::Refused("no mail server would know the address".to_owned()));
        };
        let message = composed(&outlet.from, &to, &letter).map_err(Error::internal)?;
        match &outlet.way {
            Way::Smtp(server, authorities) => {
                let from = &outlet.from.email;
                let handed_over = conversation::hand_over(
                    (server, authorities),
                    (from, &to),
                    &message.formatted(),
                )
                .await;
                handed_over.map_err(Error::internal)
            }
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

/// With its domain in ASCII form, which every server takes (RFC 5890).
/// Whether mail can be sent to an address: not where only some network knows it (RFC 5321, 4.1.3).
#[must_use]
pub fn can_be_written_to(text: &str) -> bool {
    address(text).is_some_and(|address| !address.domain().starts_with('['))
}

fn address(text: &str) -> Option<Address> {
    let (person, domain) = text.rsplit_once('@')?;
    let Ok(Host::Domain(domain)) = Host::parse(domain) else { return text.parse().ok() };
    Address::new(person, domain).ok().filter(|address| address.to_string().is_ascii())
}

fn composed(from: &Mailbox, to: &Address, letter: &Letter) -> anyhow::Result<Message> {
    let parts = MultiPart::alternative()
        .singlepart(SinglePart::plain(body(&letter.text)))
        .singlepart(SinglePart::html(body(&letter.html)));
    let id = format!("<{}@{}>", letter.id, from.email.domain());
    // So that no program answers it (RFC 3834).
    let header = HeaderName::new_from_ascii_str("Auto-Submitted");
    let automatic = HeaderValue::new(header, "auto-generated".to_owned());
    let message = Message::builder()
        .from(from.clone())
        .to(to.clone().into())
        .subject(letter.subject.clone())
        .message_id(Some(id))
        .raw_header(automatic)
        .multipart(parts)?;
    Ok(message)
}

/// As it stands where every server takes that: what is copied from a mail's source is whole then,
/// which a link that was folded is not.
fn body(text: &str) -> Body {
    let is_plain = text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE);
    if !is_plain {
        return Body::new(text.to_owned());
    }
    let lines: String = text.lines().flat_map(|line| [line, "\r\n"]).collect();
    Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_so_that_every_server_takes_them() {
        let written = |text: &str| address(text).map(|address| address.to_string());
        for (text, due) in [
            ("erin@acme.example", Some("erin@acme.example")),
            ("Erin@Müller.example", Some("Erin@xn--mller-kva.example")),
            ("érin@acme.example", None),
            ("erin", None),
            ("erin@", None),
            ("erin@acme.example>\r\nDATA", None),
            ("Erin <erin@acme.example>", None),
        ] {
            assert_eq!(written(text).as_deref(), due, "{text}");
        }
    }
}
