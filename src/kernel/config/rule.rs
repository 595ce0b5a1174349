//! What a value may be. Each rule carries the words that say so, and every rule works on text, so
//! that one check serves the environment, a file and the defaults alike.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderValue;
use ipnet::IpNet;
use lettre::message::Mailbox;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::fails::Fails;
use super::log_format::LogFormat;
use super::secret::{Secret, SecretKey};
use super::shape::Shape;
use super::token_algorithm::TokenAlgorithm;
use crate::kernel::mail;

type Check<T> = Box<dyn Fn(&str) -> Option<T>>;

pub(super) struct SettingRule<T> {
    /// Completes "expected …".
    pub(super) expected: String,
    pub(super) shape: Shape,
    pub(super) check: Check<T>,
}

impl<T: 'static> SettingRule<T> {
    fn new(
        shape: Shape,
        expected: impl Into<String>,
        check: impl Fn(&str) -> Option<T> + 'static,
    ) -> Self {
        Self { expected: expected.into(), shape, check: Box::new(check) }
    }

    fn map<U: 'static>(self, change: impl Fn(T) -> U + 'static) -> SettingRule<U> {
        let check = self.check;
        SettingRule::new(self.shape, self.expected, move |text| check(text).map(&change))
    }
}

/// A setting that may be left unset. Empty values are refused before any rule is asked, so that
/// only the default of such a setting is the empty text.
pub(super) fn optional<T: 'static>(rule: SettingRule<T>) -> SettingRule<Option<T>> {
    let check = rule.check;
    SettingRule::new(rule.shape, rule.expected, move |text| {
        if text.is_empty() { Some(None) } else { check(text).map(Some) }
    })
}

pub(super) fn address() -> SettingRule<SocketAddr> {
    SettingRule::new(
        Shape::Text,
        "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080",
        |text| text.parse().ok(),
    )
}

pub(super) fn address_or_off() -> SettingRule<Option<SocketAddr>> {
    let expected = "`off`, or an IP address and a port, such as 127.0.0.1:9090";
    SettingRule::new(Shape::Text, expected, |text| match text {
        "off" => Some(None),
        address => address.parse().ok().map(Some),
    })
}

pub(super) fn path() -> SettingRule<PathBuf> {
    SettingRule::new(Shape::Text, "a path", |text| {
        (!text.contains('\0')).then(|| PathBuf::from(text))
    })
}

pub(super) fn switch() -> SettingRule<bool> {
    SettingRule::new(Shape::Switch, "`on` or `off`", |text| match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    })
}

pub(super) fn between<T>(low: T, high: T) -> SettingRule<T>
where
    T: FromStr + PartialOrd + Display + 'static,
{
    let expected = format!("a whole number from {low} to {high}");
    SettingRule::new(Shape::Number, expected, move |text| {
        text.parse().ok().filter(|number| (&low..=&high).contains(&number))
    })
}

pub(super) fn seconds(low: u64, high: u64) -> SettingRule<Duration> {
    between(low, high).map(Duration::from_secs)
}

pub(super) fn database_url() -> SettingRule<Secret> {
    let expected = "a URL that begins with postgres:// or postgresql://";
    SettingRule::new(Shape::Secret, expected, |text| {
        let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
        (known && is_one_word(text)).then(|| Secret::new(text))
    })
}

pub(super) fn smtp_url() -> SettingRule<Secret> {
    let expected = "a URL such as smtps://user:password@mail.example.org or \
                    smtp://mail.example.org:587?tls=required";
    SettingRule::new(Shape::Secret, expected, |text| {
        (is_one_word(text) && mail::Server::parse(text).is_some()).then(|| Secret::new(text))
    })
}

pub(super) fn mailbox() -> SettingRule<String> {
    let expected = "an address, such as accounts@example.org or Example <accounts@example.org>";
    SettingRule::new(Shape::Text, expected, |text| {
        text.parse::<Mailbox>().is_ok().then(|| text.to_owned())
    })
}

/// A folder, whose parts are asked for by name.
pub(super) fn folder_url() -> SettingRule<Url> {
    let expected = "an http or https URL without user, query or fragment, such as \
                    https://api.pwnedpasswords.com/range/";
    SettingRule::new(Shape::Text, expected, |text| {
        let mut url = Url::parse(text).ok()?;
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_plain || !["http", "https"].contains(&url.scheme()) || !is_one_word(text) {
            return None;
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Some(url)
    })
}

pub(super) fn fails() -> SettingRule<Fails> {
    SettingRule::new(Shape::Text, "`open` or `closed`", |text| match text {
        "open" => Some(Fails::Open),
        "closed" => Some(Fails::Closed),
        _ => None,
    })
}

pub(super) fn token_algorithm() -> SettingRule<TokenAlgorithm> {
    SettingRule::new(Shape::Text, "`EdDSA` or `ES256`", TokenAlgorithm::of_name)
}

pub(super) fn secret_key() -> SettingRule<SecretKey> {
    let expected = "32 random bytes in standard base64, which `openssl rand -base64 32` makes";
    SettingRule::new(Shape::Secret, expected, SecretKey::from_base64)
}

pub(super) fn networks() -> SettingRule<Vec<IpNet>> {
    list("IP addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7", network)
}

fn list<T: 'static>(
    expected: &str,
    item: impl Fn(&str) -> Option<T> + 'static,
) -> SettingRule<Vec<T>> {
    SettingRule::new(Shape::List, expected, move |text| {
        if text.is_empty() {
            return Some(Vec::new());
        }
        text.split(',').map(|part| item(part.trim())).collect()
    })
}

pub(super) fn origins() -> SettingRule<Vec<HeaderValue>> {
    list(
        "origins separated by commas, such as https://app.example.org,http://localhost:3000",
        origin,
    )
}

/// As browsers send it (RFC 6454, section 6.2): compared byte by byte, so that only that spelling
/// is let through.
fn origin(text: &str) -> Option<HeaderValue> {
    let url = url::Url::parse(text).ok()?;
    let is_web = ["http", "https"].contains(&url.scheme());
    (is_web && url.origin().ascii_serialization() == text)
        .then(|| HeaderValue::from_str(text).ok())?
}

pub(super) fn contact() -> SettingRule<String> {
    let expected = "an address to write or go to, such as mailto:security@example.org or \
        https://example.org/security";
    SettingRule::new(Shape::Text, expected, |text| {
        let url = url::Url::parse(text).ok()?;
        (["mailto", "https", "tel"].contains(&url.scheme()) && is_one_word(text))
            .then(|| text.to_owned())
    })
}

/// Where a token goes in a link.
pub(crate) const TOKEN: &str = "{token}";

pub(super) fn link() -> SettingRule<String> {
    let expected = "a URL with {token} in it, such as https://app.example.org/page?token={token}";
    SettingRule::new(Shape::Text, expected, |text| {
        let url = url::Url::parse(&text.replace(TOKEN, "a-token")).ok()?;
        // In the host's name, every name server on the way would hear of it.
        let in_the_host = url.host_str().is_some_and(|host| host.contains("a-token"));
        let runs = ["javascript", "data", "vbscript", "file"].contains(&url.scheme());
        (text.contains(TOKEN) && !in_the_host && !runs && is_one_word(text))
            .then(|| text.to_owned())
    })
}

fn network(text: &str) -> Option<IpNet> {
    let network: Option<IpNet> = text.parse().ok();
    network.map(|network| network.trunc()).or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

pub(super) fn issuer() -> SettingRule<String> {
    let expected = "an http or https URL such as https://id.example.org, in lower case up to the \
                    path, without user, trailing slash, query or fragment";
    SettingRule::new(Shape::Text, expected, |text| is_issuer(text).then(|| text.to_owned()))
}

/// Whoever verifies a token compares its issuer byte by byte, so that only the one canonical
/// spelling is let through.
fn is_issuer(text: &str) -> bool {
    let Some(rest) = (text.strip_prefix("https://")).or_else(|| text.strip_prefix("http://"))
    else {
        return false;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, "-"));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let in_brackets = (host.strip_prefix('[')).and_then(|host| host.strip_suffix(']'));
    let host_fits = match in_brackets {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_host_character),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0));
    let path_fits = !path.is_empty() && !path.ends_with('/') && path.chars().all(is_path_character);
    host_fits && port_fits && path_fits
}

fn is_host_character(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '-' | '.')
}

fn is_path_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:@".contains(character)
}

fn is_one_word(text: &str) -> bool {
    !text.chars().any(|character| character.is_whitespace() || character.is_control())
}

pub(super) fn log_format() -> SettingRule<LogFormat> {
    let expected = "`text`, `json` or `auto`";
    SettingRule::new(Shape::Text, expected, |text| {
        LogFormat::ALL.into_iter().find(|format| format.name() == text)
    })
}

pub(super) fn log_filter() -> SettingRule<String> {
    let expected = "a log filter, such as info or info,sqlx=warn";
    SettingRule::new(Shape::Text, expected, |text| {
        EnvFilter::from_str(text).is_ok().then(|| text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::config::shape::Show;

    fn accepts<T>(rule: &SettingRule<T>, text: &str) -> bool {
        (rule.check)(text).is_some()
    }

    #[test]
    fn a_link_leads_somewhere_with_the_token() {
        for right in [
            "https://app.example.org/verify?token={token}",
            "http://localhost:3000/#/reset/{token}",
            "com.example.app:/verify?token={token}",
        ] {
            assert!(accepts(&link(), right), "{right}");
        }
        for wrong in [
            "https://app.example.org/verify",
            "https://{token}.example.org/",
            "javascript:alert('{token}')",
            "data:text/html,{token}",
            "/verify?token={token}",
            "https://app.example.org/ {token}",
        ] {
            assert!(!accepts(&link(), wrong), "{wrong}");
        }
    }

    #[test]
    fn a_folder_is_a_plain_url_that_ends_with_a_slash() {
        for (text, url) in [
            ("https://api.pwnedpasswords.com/range/", "https://api.pwnedpasswords.com/range/"),
            ("http://127.0.0.1:8081/range", "http://127.0.0.1:8081/range/"),
            ("https://breaches.example.org", "https://breaches.example.org/"),
        ] {
            assert_eq!((folder_url().check)(text).map(String::from).as_deref(), Some(url));
        }
        for wrong in [
            "api.pwnedpasswords.com/range/",
            "ftp://breaches.example.org/",
            "https://user:secret@breaches.example.org/",
            "https://breaches.example.org/?key=1",
            "https://breaches.example.org/#1",
        ] {
            assert!(!accepts(&folder_url(), wrong), "{wrong}");
        }
    }

    #[test]
    fn an_issuer_has_one_spelling() {
        for right in [
            "http://127.0.0.1:8080",
            "https://id.example.org",
            "https://id.example.org/acme/eu",
            "http://[::1]:8080",
            "http://[::1]",
        ] {
            assert!(accepts(&issuer(), right), "{right}");
        }
        for wrong in [
            "id.example.org",
            "ftp://id.example.org",
            "https://",
            "https:///path",
            "https://id.example.org/",
            "https://id.example.org/acme/",
            "https://id.example.org?a",
            "https://id.example.org/x#y",
            "https://user@id.example.org",
            "https://id.example.org:0",
            "https://id.example.org:",
            "https://id.example.org:99999",
            "https://ID.example.org",
            "HTTPS://id.example.org",
            "https://id example.org",
            "https://[::1",
            "https://[zz]",
            " https://id.example.org",
        ] {
            assert!(!accepts(&issuer(), wrong), "{wrong}");
        }
    }

    #[test]
    fn numbers_keep_their_range() {
        let rule = between(2_u32, 500);
        assert!(["2", "500"].iter().all(|text| accepts(&rule, text)));
        assert!(
            ["1", "501", "-3", "7.5", " 7", "99999999999", "x"]
                .iter()
                .all(|text| !accepts(&rule, text))
        );
        assert_eq!(rule.expected, "a whole number from 2 to 500");
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let read = |text: &str| (networks().check)(text).map(|list| list.show());
        assert_eq!(
            read("10.1.2.3/8, 192.168.1.7,::1").as_deref(),
            Some("10.0.0.0/8,192.168.1.7/32,::1/128")
        );
        assert_eq!(read(""), Some(String::new()));
        assert_eq!(read("10.0.0.0/8,"), None);
        assert_eq!(read("10.0.0.0/33"), None);
        assert_eq!(read("proxy.example.org"), None);
    }

    #[test]
    fn origins_are_spelled_as_browsers_send_them() {
        let read = |text: &str| (origins().check)(text).map(|list| list.show());
        assert_eq!(
            read("https://app.example.org, http://localhost:3000").as_deref(),
            Some("https://app.example.org,http://localhost:3000")
        );
        assert_eq!(read(""), Some(String::new()));
        for wrong in [
            "*",
            "null",
            "https://App.example.org",
            "https://app.example.org/",
            "https://app.example.org:443",
            "ftp://a.b",
            "a.b",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn contacts_are_reachable() {
        assert!(
            accepts(&contact(), "mailto:security@example.org")
                && accepts(&contact(), "https://example.org/security")
        );
        for wrong in [
            "security@example.org",
            "http://example.org",
            "mailto:a@b.c\nExpires: never",
            "/security",
        ] {
            assert!(!accepts(&contact(), wrong), "{wrong}");
        }
    }

    #[test]
    fn log_filters_are_tried() {
        assert!(accepts(&log_filter(), "info,sqlx=warn,bailiwick::identity::auth=debug"));
        assert!(!accepts(&log_filter(), "info,sqlx=louder"));
    }
}
