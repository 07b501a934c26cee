//! A body that ends when the node stops, for services whose streams would otherwise go on for as long as their clients
//! like.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_util::sync::CancellationToken;

pub struct Stopping {
    body: Body,
    stopped: Option<BoxFuture<'static, ()>>,
}

impl Stopping {
    pub fn new(body: Body, stop: CancellationToken) -> Self {
        Self { body, stopped: Some(Box::pin(stop.cancelled_owned())) }
    }
}

impl hyper::body::Body for Stopping {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // What is there already goes first, so that a short answer is never cut.
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let Some(stopped) = &mut self.stopped else { return Poll::Ready(None) };
        if stopped.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.stopped = None;
        self.body = Body::empty();
        // 14: unavailable. Clients take it as a reason to go to another node.
        let trailers = HeaderMap::from_iter([(
            axum::http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("14"),
        )]);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stopped.is_some() && self.body.is_end_stream()
    }
}
