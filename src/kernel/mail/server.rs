//! The mail server, as a URL names it.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// How the way to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernel) enum Security {
    /// TLS from the beginning (RFC 8314).
    Tls,
    /// TLS once the server was greeted, or nothing is sent (RFC 3207).
    StartTls,
    None,
}

/// Where mail is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kernel) struct Server {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub credentials: Option<(String, String)>,
}

impl Server {
    /// `smtps://user:password@host:465`, or `smtp://…` with STARTTLS, which `?tls=none` leaves out:
    /// as if that stood there for a server on this machine, unless `?tls=required` does.
    pub(in crate::kernel) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = match url.host()? {
            Host::Ipv6(address) => address.to_string(),
            // Of a scheme that URLs know nothing of, names are left as they were written.
            host => Host::parse(&host.to_string()).ok()?.to_string(),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return None;
        }
        let wanted = match url.query() {
            None => None,
            Some("tls=required") => Some(true),
            Some("tls=none") => Some(false),
            Some(_) => return None,
        };
        let security = match (url.scheme(), wanted) {
            ("smtps", None | Some(true)) => Security::Tls,
            ("smtp", Some(false)) => Security::None,
            ("smtp", None) if is_here(&url) => Security::None,
            ("smtp", Some(true) | None) => Security::StartTls,
            _ => return None,
        };
        let usual = if security == Security::Tls { 465 } else { 587 };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) => Some((decoded(user)?, decoded(password)?)),
            (_, None) => return None,
        };
        Some(Self { host, port: url.port().unwrap_or(usual), security, credentials })
    }
}

/// Whether what is sent there leaves this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // Of a scheme that URLs know nothing of, addresses are names.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        None => false,
    }
}

fn decoded(text: &str) -> Option<String> {
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_spoken_to_in_secret_unless_it_is_on_this_machine() {
        let security = |url: &str| Server::parse(url).map(|server| server.security);
        for (url, due) in [
            ("smtps://mail.example.org", Some(Security::Tls)),
            ("smtp://mail.example.org", Some(Security::StartTls)),
            ("smtp://mail.example.org?tls=none", Some(Security::None)),
            ("smtp://127.0.0.1:2525", Some(Security::None)),
            ("smtp://localhost", Some(Security::None)),
            ("smtp://[::1]:25", Some(Security::None)),
            ("smtp://127.0.0.1:2525?tls=required", Some(Security::StartTls)),
            ("smtps://mail.example.org?tls=none", None),
            ("smtp://mail.example.org?tls=maybe", None),
            ("smtp://mail.example.org/path", None),
            ("http://mail.example.org", None),
            ("smtp://", None),
            ("smtp://user@mail.example.org", None),
            ("mail.example.org:25", None),
        ] {
            assert_eq!(security(url), due, "{url}");
        }
    }

    #[test]
    fn ports_and_passwords_are_read_as_they_were_meant() {
        let server = Server::parse("smtps://me%40here:p%2Bq+r%3A%2F&s=t@mail.example.org").unwrap();
        assert_eq!(server.port, 465);
        assert_eq!(server.credentials, Some(("me@here".to_owned(), "p+q+r:/&s=t".to_owned())));
        assert_eq!(Server::parse("smtp://me:%ff@mail.example.org"), None);
        assert_eq!(Server::parse("smtp://mail.example.org").unwrap().port, 587);
        assert_eq!(Server::parse("smtp://mail.example.org:25").unwrap().port, 25);
        let host = |url: &str| Server::parse(url).map(|server| server.host);
        assert_eq!(host("smtp://[::1]:25").as_deref(), Some("::1"));
        assert_eq!(
            host("smtp://mail.müller.example").as_deref(),
            Some("mail.xn--mller-kva.example")
        );
    }
}
