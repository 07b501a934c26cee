//! A request's body while it comes in, given up when a stopping node has waited for it long enough.
//!
//! What holds: as long as nobody stops, it is the body alone; a body that has arrived whole is never given up.

use axum::BoxError;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The node stops, and the body had its time.
#[derive(Debug, thiserror::Error)]
#[error("the node is stopping, and the request had not arrived whole")]
pub struct Overdue;

pub struct Arriving {
    body: Incoming,
    overdue: CancellationToken,
    /// Made at the first wait; most bodies are there at once.
    waiting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Arriving {
    pub const fn new(body: Incoming, overdue: CancellationToken) -> Self {
        Self { body, overdue, waiting: None }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // What is there already counts, however late it is.
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let Self { overdue, waiting, .. } = &mut *self;
        let waiting = waiting.get_or_insert_with(|| Box::pin(overdue.clone().cancelled_owned()));
        waiting.as_mut().poll(cx).map(|()| Some(Err(Overdue.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
