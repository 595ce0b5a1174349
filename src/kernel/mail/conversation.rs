//! One conversation with a mail server (RFC 5321), step by step: lettre's own transport does not
//! say at which step it was refused, has no time limit but for connecting, and would use a
//! connection again that somebody left in the middle of an answer.

use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;

use super::Delivery;
use super::server::{Security, Server};
use crate::kernel::tls::Authorities;

/// For each answer but the last.
const STEP: Duration = Duration::from_secs(20);
/// For the last: servers look through what they were given first (RFC 5321, 4.5.3.2.6).
const LAST_STEP: Duration = Duration::from_mins(1);
/// Saying goodbye is courtesy.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a mail was not taken. What servers say is not repeated: it may name whom the mail is for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the mail server answered {code} at {step}")]
    Answered { step: &'static str, code: String },
    #[error("the mail server did not answer for {} s at {step}", limit.as_secs())]
    Silent { step: &'static str, limit: Duration },
    #[error("the mail server does not offer STARTTLS, and nothing is sent in the clear")]
    InTheClear,
    #[error("at {step}: {what}")]
    Other { step: &'static str, what: &'static str },
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(String),
}

/// Hands a message over.
pub(super) async fn hand_over(
    server: (&Server, &Authorities),
    (from, to): (&Address, &Address),
    message: &[u8],
) -> Result<Delivery, Trouble> {
    let mut connection = greeted(server).await?;
    let mail = connection.command(Mail::new(Some(from.clone()), Vec::new()));
    step("MAIL", STEP, mail).await?;
    let person = connection.command(Rcpt::new(to.clone(), Vec::new()));
    if let Err(trouble) = step("RCPT", STEP, person).await {
        return trouble.of_this_mail();
    }
    step("DATA", STEP, connection.command(Data)).await?;
    if let Err(trouble) = step("the message", LAST_STEP, connection.message(message)).await {
        return trouble.of_this_mail();
    }
    // It was taken, whatever comes of this.
    let _ = timeout(GOODBYE, connection.quit()).await;
    Ok(Delivery::Taken)
}

/// A connection that is as secret as it should be, and knows who we are.
async fn greeted(
    (server, authorities): (&Server, &Authorities),
) -> Result<AsyncSmtpConnection, Trouble> {
    let hello = ClientId::default();
    let parameters = || {
        let parameters = parameters(&server.host, authorities);
        parameters.map_err(|error| Trouble::Unreachable(error.to_string()))
    };
    let from_the_beginning = match server.security {
        Security::Tls => Some(parameters()?),
        Security::StartTls | Security::None => None,
    };
    let address = (server.host.as_str(), server.port);
    let connecting =
        AsyncSmtpConnection::connect_tokio1(address, Some(STEP), &hello, from_the_beginning, None);
    let mut connection = step("the greeting", STEP, connecting).await?;
    if server.security == Security::StartTls {
        if !connection.can_starttls() {
            return Err(Trouble::InTheClear);
        }
        step("STARTTLS", STEP, connection.starttls(parameters()?, &hello)).await?;
    }
    if let Some((user, password)) = server.credentials.clone() {
        let credentials = Credentials::new(user, password);
        step("AUTH", STEP, connection.auth(DEFAULT_MECHANISMS, &credentials)).await?;
    }
    Ok(connection)
}

/// Whom the server has to prove to be, and by whose word.
fn parameters(host: &str, authorities: &Authorities) -> Result<TlsParameters, SmtpError> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    for certificate in authorities.certificates() {
        let root = Certificate::from_der(certificate.to_vec())?;
        parameters = parameters.add_root_certificate(root);
    }
    parameters.build_rustls()
}

async fn step<T>(
    step: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, SmtpError>>,
) -> Result<T, Trouble> {
    match timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(|error| Trouble::told(step, &error)),
        Err(_) => Err(Trouble::Silent { step, limit }),
    }
}

impl Trouble {
    fn told(step: &'static str, error: &SmtpError) -> Self {
        if let Some(code) = error.status() {
            return Self::Answered { step, code: code.to_string() };
        }
        let other = |what| Self::Other { step, what };
        if error.is_response() {
            return other("the mail server answered what is no SMTP");
        }
        if error.is_client() {
            return other("the mail server does not understand what has to be said");
        }
        // Of the network or of TLS: nothing that the server said.
        Self::Unreachable(error.to_string())
    }

    /// At a step that is about this mail and no other, a 5xx is for good.
    fn of_this_mail(self) -> Result<Delivery, Self> {
        match self {
            Self::Answered { ref code, .. } if code.starts_with('5') => {
                Ok(Delivery::Refused(self.to_string()))
            }
            _ => Err(self),
        }
    }
}
