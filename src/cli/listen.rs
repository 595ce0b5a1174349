//! The addresses to listen on. They are taken before anything else is started, so that a port that
//! is in use is told at once, and connections are let in only when there is something to answer
//! them.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::net::{TcpListener, TcpSocket};

use super::was_set;
use crate::kernel::config::Loaded;

/// A service that was killed a moment ago may hold the port until the kernel has cleared it away.
const PATIENCE: Duration = Duration::from_secs(2);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

#[derive(Debug)]
pub(super) struct Reserved {
    api: TcpSocket,
    api_address: SocketAddr,
    metrics: Option<TcpSocket>,
}

#[derive(Debug)]
pub(super) struct Listeners {
    pub api: TcpListener,
    pub metrics: Option<TcpListener>,
}

impl Reserved {
    pub async fn reserve(loaded: &Loaded) -> anyhow::Result<Self> {
        let wanted = loaded.settings.listen;
        let api = reserve(wanted, PATIENCE)
            .await
            .map_err(|error| anyhow!("{}", explain(wanted, &error, "BAILIWICK_LISTEN")))?;
        let api_address = api.local_addr()?;
        let Some(wanted) = loaded.settings.metrics_listen else {
            return Ok(Self { api, api_address, metrics: None });
        };
        let explicit = was_set(loaded, "metrics_listen");
        let patience = if explicit { PATIENCE } else { Duration::ZERO };
        let metrics = match reserve(wanted, patience).await {
            Ok(socket) => Some(socket),
            Err(error) if explicit => {
                return Err(anyhow!("{}", explain(wanted, &error, "BAILIWICK_METRICS_LISTEN")));
            }
            Err(error) => {
                tracing::warn!(
                    "no metrics are served: {}",
                    explain(wanted, &error, "BAILIWICK_METRICS_LISTEN")
                );
                None
            }
        };
        Ok(Self { api, api_address, metrics })
    }

    /// The address of the API; a port 0 has become a real one.
    pub fn api_address(&self) -> SocketAddr {
        self.api_address
    }

    pub fn listen(self) -> anyhow::Result<Listeners> {
        let address = self.api_address;
        let api = self
            .api
            .listen(BACKLOG)
            .map_err(|error| anyhow!("{}", explain(address, &error, "BAILIWICK_LISTEN")))?;
        let metrics = self.metrics.map(|socket| socket.listen(BACKLOG)).transpose();
        let metrics = metrics.map_err(|error| {
            anyhow!("the metrics cannot be served: {error} (BAILIWICK_METRICS_LISTEN)")
        })?;
        Ok(Listeners { api, metrics })
    }
}

async fn reserve(address: SocketAddr, patience: Duration) -> io::Result<TcpSocket> {
    let began = Instant::now();
    loop {
        match bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && began.elapsed() < patience => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of an earlier run that are still being closed do not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn explain(address: SocketAddr, error: &io::Error, setting: &str) -> String {
    if error.kind() == ErrorKind::AddrInUse {
        format!(
            "{address} is taken by another process: stop it, or set {setting} to another address"
        )
    } else {
        format!("cannot listen on {address}: {error}; set {setting} to another address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_with_its_setting() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap().listen(1).unwrap();
        let address = first.local_addr().unwrap();
        let error = reserve(address, Duration::ZERO).await.unwrap_err();
        let told = explain(address, &error, "BAILIWICK_LISTEN");
        assert!(told.contains("taken") && told.contains("BAILIWICK_LISTEN"), "{told}");
    }

    #[tokio::test]
    async fn a_port_that_becomes_free_is_waited_for() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap().listen(1).unwrap();
        let address = first.local_addr().unwrap();
        let freed = tokio::spawn(async move {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(reserve(address, PATIENCE).await.is_ok());
        freed.await.unwrap();
    }
}
