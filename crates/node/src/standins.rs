//! The built-in provider and carrier, opened behind the node's start: their books may be long, and the start does not
//! wait for them. Calls do, up to the deadline that every call to the outside has; an answer such as "not reachable"
//! would put off for seconds what was under way when the node last ended.

use async_trait::async_trait;
use doos_adapter_standin::{CarrierOptions, ProviderOptions, StandinCarrier, StandinProvider};
use doos_domain::ids::{OrderId, RefundId};
use doos_domain::shipping::Parcel;
use doos_ports::clock::Clock;
use doos_ports::outside::{AttemptAnswer, Carrier, Charge, OutsideError, PaymentProvider};
use secrecy::SecretString;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::SetOnce;

use crate::callbacks::HttpSink;
use crate::config::Config;

/// Something that is opened while others already hold it.
pub struct Opening<T>(SetOnce<T>);

pub type Provider = Opening<StandinProvider>;
pub type CarrierDesk = Opening<StandinCarrier>;

pub fn provider_options(config: &Config, secret: SecretString) -> ProviderOptions {
    let chosen = &config.payment.provider;
    ProviderOptions {
        latency_ms: chosen.latency_ms,
        decline_per_mille: chosen.decline_per_mille,
        unclear_per_mille: chosen.unclear_per_mille,
        outage: chosen.outage,
        callback_delay_ms: chosen.callback_delay_ms,
        callback_repeats: chosen.callback_repeats,
        callback_reorder_within_ms: chosen.callback_reorder_within_ms,
        forge_per_mille: chosen.forge_per_mille,
        mistake_per_mille: chosen.mistake_per_mille,
        ..ProviderOptions::with_secret(secret)
    }
}

/// Parcels arrive by themselves only if somebody asked for it: by option, or by `--demo-life`.
pub fn carrier_options(config: &Config) -> CarrierOptions {
    let chosen = &config.shipping.carrier;
    let demo_ms = if config.demo.life { DEMO_DELIVERY_MS } else { 0 };
    let deliver_after_ms = if chosen.deliver_after_ms > 0 { chosen.deliver_after_ms } else { demo_ms };
    CarrierOptions {
        latency_ms: chosen.latency_ms,
        fail_per_mille: chosen.fail_per_mille,
        outage: chosen.outage,
        deliver_after_ms: (deliver_after_ms > 0).then_some(deliver_after_ms),
    }
}

const DEMO_DELIVERY_MS: u64 = 3_000;

/// Opens the provider's books, then carries its callbacks until the future is dropped.
pub async fn run_provider(
    provider: Arc<Provider>,
    options: ProviderOptions,
    clock: Arc<dyn Clock>,
    directory: PathBuf,
    sink: HttpSink,
) {
    let opened = tokio::task::spawn_blocking(move || StandinProvider::open(options, clock, &directory)).await;
    match opened {
        Ok(Ok(opened)) => {
            // Opened once: whoever holds the cell calls this once.
            let _ = provider.0.set(opened);
            provider.0.wait().await.deliver(&sink).await
        }
        Ok(Err(error)) => tracing::error!(error = %error, "the built-in payment provider cannot open its books"),
        Err(error) => tracing::error!(error = %error, "the built-in payment provider broke while opening"),
    }
}

pub async fn run_carrier(
    carrier: Arc<CarrierDesk>,
    options: CarrierOptions,
    clock: Arc<dyn Clock>,
    directory: PathBuf,
) {
    let opened = tokio::task::spawn_blocking(move || StandinCarrier::open(options, clock, &directory)).await;
    match opened {
        Ok(Ok(opened)) => {
            let _ = carrier.0.set(opened);
        }
        Ok(Err(error)) => tracing::error!(error = %error, "the built-in carrier cannot open its books"),
        Err(error) => tracing::error!(error = %error, "the built-in carrier broke while opening"),
    }
}

impl<T> Default for Opening<T> {
    fn default() -> Self {
        Self(SetOnce::new())
    }
}

#[async_trait]
impl PaymentProvider for Provider {
    async fn capture(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        self.0.wait().await.capture(charge).await
    }

    async fn close(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        self.0.wait().await.close(charge).await
    }

    async fn query(&self, charge: &Charge) -> Result<AttemptAnswer, OutsideError> {
        self.0.wait().await.query(charge).await
    }

    async fn refund(&self, refund: &RefundId, charge: &Charge) -> Result<String, OutsideError> {
        self.0.wait().await.refund(refund, charge).await
    }
}

#[async_trait]
impl Carrier for CarrierDesk {
    async fn ship(&self, order: OrderId, parcel: &Parcel) -> Result<String, OutsideError> {
        self.0.wait().await.ship(order, parcel).await
    }

    async fn recall(&self, order: OrderId, tracking: &str) -> Result<(), OutsideError> {
        self.0.wait().await.recall(order, tracking).await
    }

    async fn is_delivered(&self, order: OrderId, tracking: &str) -> Result<bool, OutsideError> {
        self.0.wait().await.is_delivered(order, tracking).await
    }
}
