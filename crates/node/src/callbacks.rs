//! Carries the built-in provider's callbacks to this node's own address, over HTTP, as a real provider's would come.

use async_trait::async_trait;
use doos_adapter_standin::{Callback, CallbackSink, Receipt, signature};
use std::net::SocketAddr;

use crate::http_client;

pub struct HttpSink {
    pub target: SocketAddr,
}

#[async_trait]
impl CallbackSink for HttpSink {
    async fn post(&self, callback: Callback) -> Receipt {
        let headers = [(signature::HEADER, callback.signature.as_str())];
        match http_client::post(self.target, "/v1/payments/callback", &headers, callback.body).await {
            Ok(reply) if reply.status < 300 => Receipt::Accepted,
            Ok(reply) => {
                tracing::debug!(status = reply.status, "a payment callback was turned down");
                Receipt::Refused
            }
            Err(error) => {
                tracing::debug!(error = %error, "a payment callback found nobody");
                Receipt::Refused
            }
        }
    }
}
