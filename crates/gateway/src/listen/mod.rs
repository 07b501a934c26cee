//! The accept loop: connections in, requests to the exchange, a drain that ends.
//!
//! What holds: there are never more connections than allowed, and each has deadlines for its headers, for idling and
//! for not taking its answers. When `stop` is called the loop accepts no more, idle connections end at once, a request
//! that has not arrived whole has a short grace, what is being worked on is finished, and whatever is still open at the
//! end of the drain is cut off.
//!
//! What must never happen: a connection's failure that reaches the loop; a task that outlives the drain.

mod arriving;
mod body;
mod io;
mod refusal;

pub use arriving::{Arriving, Overdue};
pub use body::Reply;
pub use io::{Activity, InFlight};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::exchange::{Exchange, Origin};
use crate::options::Options;

/// What a connection too many is told before it is closed.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
    content-length: 137\r\nconnection: close\r\n\r\n{\"type\":\"/docs/errors/overloaded\",\"title\":\"Too much is waiting already\",\
    \"status\":503,\"code\":\"overloaded\",\"detail\":\"too many connections\"}";
/// After `accept` failed for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every listener of one gateway shares.
pub struct Doors {
    pub exchange: Arc<Exchange>,
    builder: auto::Builder<TokioExecutor>,
    deadlines: io::Deadlines,
    drain_grace_ms: u64,
    places: Arc<Semaphore>,
    /// Cut whatever is still open.
    cut: CancellationToken,
}

impl Doors {
    pub fn new(exchange: Arc<Exchange>, options: &Options) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        let longest = options.header_timeout_ms.max(options.idle_timeout_ms);
        builder
            .http1()
            .timer(TokioTimer::new())
            // The watch on the connection is stricter; this one is behind it.
            .header_read_timeout(Duration::from_millis(longest))
            .max_buf_size(options.header_bytes_max)
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_millis(options.http2_ping_every_ms))
            .keep_alive_timeout(Duration::from_millis(options.http2_ping_timeout_ms))
            .max_header_list_size(u32::try_from(options.header_bytes_max).unwrap_or(u32::MAX))
            .max_concurrent_streams(options.http2_streams_max);
        let deadlines = io::Deadlines {
            header_ms: options.header_timeout_ms,
            idle_ms: options.idle_timeout_ms,
            write_ms: options.write_timeout_ms,
        };
        let places = Arc::new(Semaphore::new(options.connections_max));
        let drain_grace_ms = options.drain_receive_timeout_ms;
        Self { exchange, builder, deadlines, drain_grace_ms, places, cut: CancellationToken::new() }
    }

    /// Ends every connection at once; the drain's last word.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Accepts until `stop`. Connections run on the exchange's tracker.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, door: Door, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, door, &stop),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, door: Door, stop: &CancellationToken) {
        let tasks = &self.exchange.state.tasks;
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let serve = Arc::clone(self).serve(stream, peer, door, stop.clone(), place);
                tasks.spawn(serve);
            }
            Err(_) => {
                self.exchange.state.metrics.connections_refused.inc();
                tasks.spawn(turn_away(stream));
            }
        }
    }

    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        door: Door,
        stop: CancellationToken,
        _place: OwnedSemaphorePermit,
    ) {
        // Answers are whole; waiting for more bytes only delays them.
        let _ = stream.set_nodelay(true);
        let state = &self.exchange.state;
        let _open = state.metrics.connections.enter();
        let activity = Activity::new(Arc::clone(&state.app.ports.clock));
        let stream = TokioIo::new(io::Watched::new(stream, Arc::clone(&activity)));
        let service = service_fn(|request| {
            let origin = Origin { peer: peer.ip(), door };
            let exchange = Arc::clone(&self.exchange);
            let activity = Arc::clone(&activity);
            async move { Ok::<_, Infallible>(exchange.handle(request, origin, activity).await) }
        });
        let connection = self.builder.serve_connection_with_upgrades(stream, service);
        let mut connection = std::pin::pin!(connection);
        let mut draining = None;
        loop {
            let left = activity.time_left(self.deadlines);
            let left = left.and_then(|left| match draining {
                Some(draining) => activity.drain_left(draining).map(|drained| drained.min(left)),
                None => Some(left),
            });
            let Some(left) = left else {
                tracing::debug!("connection closed at a deadline");
                return;
            };
            tokio::select! {
                biased;
                () = self.cut.cancelled() => return,
                () = stop.cancelled(), if draining.is_none() => {
                    draining = Some(activity.draining(self.drain_grace_ms));
                    connection.as_mut().graceful_shutdown();
                }
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended early");
                    }
                    return;
                }
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}

/// Which listener a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    pub serves: Serves,
    /// A call without a token may be the demo principal's here.
    pub is_local: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// REST, gRPC, pages and operations.
    Everything,
    /// Only `/metrics`, `/livez` and `/readyz`.
    Operations,
    /// Only gRPC and gRPC-Web.
    Grpc,
}

async fn turn_away(mut stream: TcpStream) {
    let _ = tokio::time::timeout(Duration::from_secs(1), async {
        stream.write_all(TOO_MANY).await?;
        stream.shutdown().await
    })
    .await;
}

/// Failures of the one connection, after which the next can be accepted at once.
fn is_of_the_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_to_a_connection_too_many_has_the_length_it_says() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"] == "overloaded");
    }
}
