//! Where a request comes from. Rate limits, the audit trail and whatever else asks for a client's
//! address have it from here.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether the address is a trusted proxy's.
pub(super) fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The client's address: the connection's, or, where that is a trusted proxy, what this and the
/// trusted proxies before it wrote into `X-Forwarded-For`. That is read from the right, and no
/// further than the first address that is not trusted. Whatever stands to the left of an entry that
/// is no address may be the client's own invention, so that the last hop that was understood
/// counts.
pub(super) fn address(trusted: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut nearest = peer.to_canonical();
    // Several lines are one list (RFC 9110, section 5.3).
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while is_trusted(trusted, nearest) {
        match entries.next().and_then(understood) {
            Some(address) => nearest = address,
            None => break,
        }
    }
    nearest
}

/// An entry: an address, with or without brackets and port.
fn understood(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|address| address.to_canonical())
}

/// Whether requests told where they come from while no proxy is trusted to tell it: then everybody
/// behind a proxy is one client.
#[derive(Debug, Default)]
pub(crate) struct Unheeded(AtomicBool);

impl Unheeded {
    /// Looks at a request; the first that tells in vain is told in the log.
    pub(super) fn look(&self, trusted: &[IpNet], headers: &HeaderMap) {
        let tells = trusted.is_empty() && headers.contains_key(FORWARDED_FOR);
        if tells && !self.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "requests carry X-Forwarded-For and no proxy is trusted: all clients of a proxy \
                 are limited and recorded as one; if there is one, name it in \
                 BAILIWICK_TRUSTED_PROXIES"
            );
        }
    }
    pub(crate) fn was_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn trusted() -> Vec<IpNet> {
        ["10.0.0.0/8", "2001:db8:aa::/48"].map(|network| network.parse().unwrap()).to_vec()
    }

    fn client_of(peer: &str, lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        }
        address(&trusted(), peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_nearest_address_that_is_not_trusted_is_the_clients() {
        for (lines, client) in [
            (&[&b"198.51.100.7"[..]][..], "198.51.100.7"),
            (&[b"198.51.100.7, 203.0.113.7"], "203.0.113.7"),
            (&[b"198.51.100.7, 203.0.113.7:51000"], "203.0.113.7"),
            (&[b"198.51.100.7,[2001:db8::1]:443"], "2001:db8::1"),
            (&[b"198.51.100.7,[2001:db8::1]"], "2001:db8::1"),
            (&[b"198.51.100.7,2001:db8::1"], "2001:db8::1"),
            (&[b"198.51.100.7", b"203.0.113.7"], "203.0.113.7"),
            (&[b"198.51.100.7, 203.0.113.7", b"10.2.2.2:80 ,\t10.3.3.3"], "203.0.113.7"),
            (&[b"203.0.113.7, [2001:db8:aa::9]:8443"], "203.0.113.7"),
            (&[b"203.0.113.7, ::ffff:10.9.9.9"], "203.0.113.7"),
            (&[b"::ffff:203.0.113.7"], "203.0.113.7"),
            (&[b"10.2.2.2"], "10.2.2.2"),
            (&[], "10.1.1.1"),
        ] {
            assert_eq!(client_of("10.1.1.1", lines), client, "{lines:?}");
        }
        assert_eq!(client_of("::ffff:10.1.1.1", &[b"203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn nothing_is_read_beyond_what_is_no_address() {
        for nonsense in [
            &b"unknown"[..],
            b"_hidden",
            b"",
            b" ",
            b"203.0.113",
            b"203.0.113.7:",
            b"203.0.113.7:99999",
            b"203.0.113.7:x",
            b"203.0.113.300",
            b"[203.0.113.7]",
            b"[2001:db8::1",
            b"2001:db8::1]",
            b"[2001:db8::1]:",
            b"[[::1]]",
            b"\"203.0.113.7\"",
            b"203.0.113.7 8",
            b"\xff",
            b"203.0.113.7;1",
            b"for=203.0.113.7",
            b"127.1",
            b"0x7f.0.0.1",
        ] {
            let line = [b"198.51.100.7, ", nonsense].concat();
            assert_eq!(client_of("10.1.1.1", &[&line]), "10.1.1.1", "{line:?}");
            let behind = [&line[..], b", 10.2.2.2"].concat();
            assert_eq!(client_of("10.1.1.1", &[&behind]), "10.2.2.2", "{behind:?}");
            assert_eq!(
                client_of("10.1.1.1", &[b"198.51.100.7", nonsense]),
                "10.1.1.1",
                "{nonsense:?}"
            );
        }
    }

    #[test]
    fn whoever_is_no_trusted_proxy_is_the_client() {
        assert_eq!(client_of("192.0.2.1", &[b"203.0.113.7"]), "192.0.2.1");
        let nobody =
            HeaderMap::from_iter([(FORWARDED_FOR, HeaderValue::from_static("203.0.113.7"))]);
        assert_eq!(address(&[], [10, 1, 1, 1].into(), &nobody), IpAddr::from([10, 1, 1, 1]));
    }

    #[test]
    fn a_header_is_unheeded_where_nobody_is_trusted() {
        let told = HeaderMap::from_iter([(FORWARDED_FOR, HeaderValue::from_static("203.0.113.7"))]);
        for (trusted, headers, seen) in
            [(vec![], &told, true), (trusted(), &told, false), (vec![], &HeaderMap::new(), false)]
        {
            let unheeded = Unheeded::default();
            unheeded.look(&trusted, headers);
            assert_eq!(unheeded.was_seen(), seen);
        }
    }

    proptest! {
        /// What a client sends by itself stands to the left of what the proxy adds, and is never
        /// believed.
        #[test]
        fn nobody_invents_an_address(sent in proptest::collection::vec("[ -~\t]{0,40}", 0..4),
            at in any::<IpAddr>(), port in any::<u16>()) {
            prop_assume!(!is_trusted(&trusted(), at.to_canonical()));
            let added = SocketAddr::new(at, port).to_string();
            for added in [at.to_string(), added] {
                let mut lines: Vec<Vec<u8>> =
                    sent.iter().map(|line| line.trim().as_bytes().to_vec()).collect();
                lines.push(added.clone().into_bytes());
                let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
                prop_assert_eq!(client_of("10.1.1.1", &lines), at.to_canonical().to_string());
                let one_line = lines.join(&b',');
                prop_assert_eq!(client_of("10.1.1.1", &[&one_line]), at.to_canonical().to_string());
            }
        }
    }
}
