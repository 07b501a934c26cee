//! One connection's byte stream and what is known about it: bytes moving, requests in flight, writes that do not move.
//!
//! What holds: [`Activity`] is updated by the stream and by the requests on it, and read by a watch that ends the
//! connection once a deadline has passed: for the header, for doing nothing, for not taking the answer. Times are
//! milliseconds on the application's monotonic clock. The one thing changed on its way is the HTTP library's own empty
//! refusal, which gets its body here.

use doos_ports::clock::Clock;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::refusal;
use crate::trace::Trace;

const NEVER: u64 = u64::MAX;
/// HTTP/2 connections open with this, and then carry frames that are no requests.
const HTTP2_PREFACE: &[u8] = b"PRI";

pub struct Activity {
    clock: Arc<dyn Clock>,
    in_flight: AtomicUsize,
    /// When the connection was opened, or its last request ended.
    quiet_since_ms: AtomicU64,
    /// When the first byte came after that.
    header_since_ms: AtomicU64,
    stalled_since_ms: AtomicU64,
    is_http2: AtomicBool,
}

/// The deadlines of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    pub header_ms: u64,
    pub idle_ms: u64,
    pub write_ms: u64,
}

impl Activity {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let now = millis(&*clock);
        Arc::new(Self {
            clock,
            in_flight: AtomicUsize::new(0),
            quiet_since_ms: AtomicU64::new(now),
            // A connection is opened to send something: the first header has its deadline from the start.
            header_since_ms: AtomicU64::new(now),
            stalled_since_ms: AtomicU64::new(NEVER),
            is_http2: AtomicBool::new(false),
        })
    }

    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.header_since_ms.store(NEVER, Ordering::Release);
        InFlight(Arc::clone(self))
    }

    fn received(&self, bytes: &[u8]) {
        if self.in_flight.load(Ordering::Acquire) > 0 || self.is_http2.load(Ordering::Acquire) {
            return;
        }
        if bytes.starts_with(HTTP2_PREFACE) {
            self.is_http2.store(true, Ordering::Release);
            return;
        }
        let now = millis(&*self.clock);
        // Only the first byte starts the clock, so that sending them one by one wins nothing.
        let _ = self.header_since_ms.compare_exchange(NEVER, now, Ordering::AcqRel, Ordering::Relaxed);
    }

    pub fn draining(&self, grace_ms: u64) -> Draining {
        Draining { since_ms: millis(&*self.clock), grace_ms }
    }

    /// How long until a connection without a request is to be closed while the node stops; `None` once it is.
    pub fn drain_left(&self, draining: Draining) -> Option<Duration> {
        let grace = Duration::from_millis(draining.grace_ms);
        let is_writing = self.stalled_since_ms.load(Ordering::Acquire) != NEVER;
        if self.in_flight.load(Ordering::Acquire) > 0 || is_writing {
            return Some(grace);
        }
        let quiet = self.quiet_since_ms.load(Ordering::Acquire).max(draining.since_ms);
        let left = quiet.saturating_add(draining.grace_ms).saturating_sub(millis(&*self.clock));
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// What is written now is no answer to a request.
    fn is_between_requests(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) == 0 && !self.is_http2.load(Ordering::Acquire)
    }

    fn wrote(&self, moved: bool) {
        if moved {
            self.stalled_since_ms.store(NEVER, Ordering::Release);
        } else {
            let now = millis(&*self.clock);
            let _ = self.stalled_since_ms.compare_exchange(NEVER, now, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// How long until the next deadline could pass; `None` once one has.
    pub fn time_left(&self, deadlines: Deadlines) -> Option<Duration> {
        let now = millis(&*self.clock);
        let idle = self.in_flight.load(Ordering::Acquire) == 0;
        let stalled = self.stalled_since_ms.load(Ordering::Acquire).saturating_add(deadlines.write_ms);
        let quiet = self.quiet_since_ms.load(Ordering::Acquire).saturating_add(deadlines.idle_ms);
        let header_counts = idle && !self.is_http2.load(Ordering::Acquire);
        let header = self.header_since_ms.load(Ordering::Acquire).saturating_add(deadlines.header_ms);
        let next = stalled.min(if idle { quiet } else { NEVER }).min(if header_counts { header } else { NEVER });
        if now >= next {
            return None;
        }
        // What begins after this look has its deadline at the earliest so much later.
        let look_again = deadlines.header_ms.min(deadlines.idle_ms).min(deadlines.write_ms);
        Some(Duration::from_millis((next - now).min(look_again)))
    }
}

/// When a node began to stop, and how long it waits for requests that have not arrived whole.
#[derive(Clone, Copy, Debug)]
pub struct Draining {
    since_ms: u64,
    grace_ms: u64,
}

/// A request in flight; dropped when the last byte of its answer is on its way.
pub struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.quiet_since_ms.store(millis(&*self.0.clock), Ordering::Release);
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

fn millis(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.monotonic().as_millis()).unwrap_or(NEVER - 1)
}

/// A stream that tells its [`Activity`] what moves.
pub struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    /// Goes out instead of an empty refusal, and how much of it has gone.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S> Watched<S> {
    pub const fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, instead: None }
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    /// Whether something else goes out for these bytes.
    fn speaks_instead(&mut self, buf: &[u8]) -> bool {
        if self.instead.is_none() && refusal::may_be(buf) && self.activity.is_between_requests() {
            let trace = Trace::arriving(None, &*self.activity.clock);
            self.instead = refusal::in_full(buf, &trace.trace_id()).map(|reply| (reply, 0));
        }
        self.instead.is_some()
    }

    /// All of it goes out before the bytes it stands for count as written.
    fn poll_instead(&mut self, cx: &mut Context<'_>, written: usize) -> Poll<std::io::Result<usize>> {
        while let Some((reply, gone)) = &mut self.instead {
            let polled = Pin::new(&mut self.stream).poll_write(cx, &reply[*gone..]);
            self.activity.wrote(polled.is_ready());
            match std::task::ready!(polled)? {
                0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                count => *gone += count,
            }
            if *gone == reply.len() {
                self.instead = None;
            }
        }
        Poll::Ready(Ok(written))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if matches!(polled, Poll::Ready(Ok(()))) && buf.filled().len() > before {
            self.activity.received(&buf.filled()[before..]);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.speaks_instead(buf) {
            return self.poll_instead(cx, buf.len());
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.activity.wrote(polled.is_ready());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        if let Some(first) = bufs.iter().find(|buf| !buf.is_empty())
            && self.speaks_instead(first)
        {
            return self.poll_instead(cx, first.len());
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.activity.wrote(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
