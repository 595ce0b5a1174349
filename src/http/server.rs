//! The listener's side: how many connections there are, how long one may take to say what it wants,
//! and how they end. (hyper's own accept loop in axum has no limits to set.)

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::ServiceExt;

use super::rate_limit::network_of;
use super::unreadable::Explaining;
use super::{Service, is_trusted_proxy};
use crate::http::app::App;

/// The most that hyper reads to find the end of the headers. Above [`super::MAX_HEADER_BYTES`],
/// which is refused with a problem document; beyond this it answers 431 by itself and closes.
const HEAD_BUFFER: usize = 64 * 1024;
/// Requests at the same time on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// An HTTP/2 connection that is silent for so long is asked whether it is still there, and closed
/// where it does not answer.
const SILENCE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(10);
/// How old a connection gets: it is ended between two requests, so that nobody keeps one by not
/// reading, or by being silent over HTTP/2.
const OLDEST: Duration = Duration::from_mins(10);
/// Out of file descriptors: the next attempt is not made at once.
const PAUSE: Duration = Duration::from_millis(200);

/// Answers connections until `stop`; then refuses new ones, and ends when those that are there have
/// had their answers.
pub async fn serve(
    app: &App,
    service: Service,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) {
    let settings = app.settings();
    let slots = Arc::new(Semaphore::new(settings.max_connections));
    let all = u32::try_from(settings.max_connections).unwrap_or(u32::MAX);
    let (finish, finishing) = watch::channel(false);
    let acceptor =
        Acceptor { app: app.clone(), service, limit: ConnectionLimit::default(), finishing };
    let mut stop = pin!(stop);
    loop {
        let next = async {
            // Whoever finds no slot waits in the backlog.
            let slot = slots.clone().acquire_owned().await;
            (slot, accept(&listener).await)
        };
        let (slot, (stream, peer)) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let Some(permit) = acceptor.permit(peer.ip()) else { continue };
        let connection = acceptor.clone().attend(stream, peer);
        tokio::spawn(async move {
            connection.await;
            drop((permit, slot));
        });
    }
    drop(listener);
    finish.send_replace(true);
    // Every slot is free when every connection has ended.
    let _ = slots.acquire_many(all).await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    [ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&error.kind())
}

/// What a new connection needs.
#[derive(Clone)]
struct Acceptor {
    app: App,
    service: Service,
    limit: ConnectionLimit,
    finishing: watch::Receiver<bool>,
}

impl Acceptor {
    /// A place for one more connection from there. A trusted proxy brings those of many clients.
    fn permit(&self, address: IpAddr) -> Option<ConnectionPermit> {
        let address = address.to_canonical();
        if is_trusted_proxy(&self.app, address) {
            return self.limit.take(address, usize::MAX);
        }
        self.limit.take(network_of(address), self.app.settings().max_connections_per_address)
    }

    async fn attend(mut self, stream: TcpStream, peer: SocketAddr) {
        // Small answers go out at once instead of waiting for more.
        let _ = stream.set_nodelay(true);
        let patience = self.app.settings().header_timeout;
        let spoke = Arc::new(AtomicBool::new(false));
        let heard = spoke.clone();
        let service = hyper::service::service_fn(move |request| {
            heard.store(true, Ordering::Relaxed);
            answered(self.service.clone(), request, peer)
        });
        let builder = builder(patience);
        let mut connection = pin!(
            builder.serve_connection(TokioIo::new(Explaining::new(stream, peer.ip())), service)
        );
        // hyper's own limit begins when it knows which HTTP is spoken; somebody may be silent
        // before.
        let mut silence = pin!(tokio::time::sleep(patience));
        let mut age = pin!(tokio::time::sleep(OLDEST));
        let last = self.app.settings().request_timeout + patience;
        let (mut waits, mut ends) = (true, false);
        loop {
            tokio::select! {
                _ = &mut connection => return,
                () = &mut silence, if waits => {
                    if !spoke.load(Ordering::Relaxed) {
                        return;
                    }
                    waits = false;
                }
                // Then what is asked may be answered, and after that nobody waits for a client who
                // does not read.
                () = &mut age => {
                    if ends {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                    ends = true;
                    age.as_mut().reset(Instant::now() + last);
                }
                _ = self.finishing.wait_for(|finish| *finish), if !ends => {
                    connection.as_mut().graceful_shutdown();
                    ends = true;
                }
            }
        }
    }
}

async fn answered(
    service: Service,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response, Infallible> {
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    service.oneshot(request).await
}

fn builder(patience: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD_BUFFER);
    let list = u32::try_from(HEAD_BUFFER).unwrap_or(u32::MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(PATIENCE);
    builder.http2().max_concurrent_streams(STREAMS).max_header_list_size(list);
    builder
}

/// How many connections there are by address.
#[derive(Debug, Clone, Default)]
struct ConnectionLimit(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them; given back when it is dropped.
#[derive(Debug)]
struct ConnectionPermit(ConnectionLimit, IpAddr);

impl ConnectionLimit {
    fn take(&self, address: IpAddr, most: usize) -> Option<ConnectionPermit> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = taken.entry(address).or_default();
        if *taken >= most {
            return None;
        }
        *taken += 1;
        Some(ConnectionPermit(self.clone(), address))
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = all.get_mut(&self.1) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&self.1);
            }
        }
    }
}
