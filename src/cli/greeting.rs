//! What a newcomer reads after `cargo run`: where the service is, who to be, and a first call that
//! works when it is pasted.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::kernel::error::Result;
use crate::seeds;

/// The lines to print; the demo's only where its data is.
pub(super) fn greeting(
    listening: SocketAddr,
    metrics: Option<SocketAddr>,
    with_demo: bool,
) -> Result<String> {
    let base = format!("http://{}", reachable(listening));
    let mut text = format!("\nBailiwick listens on {base}\n  Documentation  {base}/docs/\n");
    // Writing to a String cannot fail.
    if let Some(metrics) = metrics {
        let _ = writeln!(text, "  Metrics        http://{}/metrics", reachable(metrics));
    }
    if !with_demo {
        return Ok(text);
    }
    let accounts = seeds::accounts()?;
    let width = accounts.iter().map(|(username, _)| username.len()).max().unwrap_or_default();
    let _ = writeln!(text, "\nDemo accounts, all with the password {}:", seeds::PASSWORD);
    for (username, place) in accounts {
        let _ = writeln!(text, "  {username:width$}  {place}");
    }
    let password = seeds::PASSWORD;
    let _ = write!(
        text,
        "
Try it: sign in as alice, and see what she works with:
  TOKEN=$(curl -s {base}/api/auth/login -H 'Content-Type: application/json' \\
    -d '{{\"username\":\"alice\",\"password\":\"{password}\"}}' \
    | sed -n 's/.*\"accessToken\":\"\\([^\"]*\\)\".*/\\1/p')
  curl -s {base}/api/features/my -H \"Authorization: Bearer $TOKEN\"

Ctrl-C stops it.
"
    );
    Ok(text)
}

/// An address that a client on this machine can use: nobody can connect to \"all interfaces\".
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_names_an_address_that_can_be_used() {
        let text =
            greeting("0.0.0.0:8080".parse().unwrap(), Some("[::]:9090".parse().unwrap()), true)
                .unwrap();
        assert!(
            text.contains("http://127.0.0.1:8080/docs/")
                && text.contains("http://[::1]:9090/metrics"),
            "{text}"
        );
        assert!(text.contains(r#"{"username":"alice","password":"bailiwick-demo"}"#), "{text}");
        assert!(text.contains(r#"sed -n 's/.*"accessToken":"\([^"]*\)".*/\1/p'"#), "{text}");
    }

    #[test]
    fn a_database_of_ones_own_has_no_demo_accounts() {
        let text = greeting("10.0.0.1:80".parse().unwrap(), None, false).unwrap();
        assert!(!text.contains("alice") && text.contains("http://10.0.0.1:80"));
    }
}
