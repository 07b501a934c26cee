//! How one call to a simulated engine goes.
//!
//! It travels (latency), may fail before anything is done, takes effect at one poll, travels back, and may lose its
//! reply. Nothing is awaited between the first and the last part of an effect.

use doos_domain::time::Timestamp;
use doos_ports::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::SimOptions;
use crate::durable::Durable;
use crate::faults::{Part, Rates};
use crate::runtime::{Bell, SimRuntime, race};

pub struct World {
    pub(crate) options: SimOptions,
    pub(crate) runtime: Arc<dyn SimRuntime>,
    chance: Mutex<fastrand::Rng>,
    durable: Mutex<Durable>,
    /// Rung after every effect; whoever waits looks again.
    bell: Bell,
}

impl World {
    pub(crate) fn new(options: SimOptions, runtime: Arc<dyn SimRuntime>) -> Self {
        let durable = Mutex::new(Durable::new(options.shards));
        let chance = Mutex::new(fastrand::Rng::with_seed(options.seed));
        Self { options, runtime, chance, durable, bell: Bell::default() }
    }

    pub(crate) fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.runtime.now()
    }

    pub(crate) fn rates(&self) -> &Rates {
        self.options.faults.rates()
    }

    /// Whether one of a thousand chances, of which `rate` hit, hits.
    pub(crate) fn strikes(&self, rate: u32) -> bool {
        rate > 0 && self.up_to(999) < u64::from(rate)
    }

    /// From 0 to `most`, both included.
    pub(crate) fn up_to(&self, most: u64) -> u64 {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).u64(0..=most)
    }

    /// A change of what is stored. An [`Error::Unknown`] may come although it took effect.
    pub(crate) async fn write<T: Send>(&self, part: Part, effect: impl FnOnce(&mut Durable) -> T + Send) -> Result<T> {
        self.arrive(part).await?;
        let value = self.apply(effect);
        self.travel().await;
        if self.strikes(self.rates().replies_lost) {
            return Err(Error::Unknown { engine: part.name(), cause: "the reply was lost".to_owned() });
        }
        Ok(value)
    }

    /// A look at what is stored; what comes back may be out of date by the time it arrives.
    pub(crate) async fn read<T: Send>(&self, part: Part, look: impl FnOnce(&Durable) -> T + Send) -> Result<T> {
        self.arrive(part).await?;
        let value = look(&self.durable());
        self.travel().await;
        if self.strikes(self.rates().replies_lost) {
            return Err(unavailable(part, "the reply was lost"));
        }
        Ok(value)
    }

    /// The way there: ends in front of the part, or fails with nothing done.
    pub(crate) async fn arrive(&self, part: Part) -> Result<()> {
        self.travel().await;
        let rates = self.rates();
        if self.strikes(rates.outages) {
            let length_ms = i64::try_from(self.up_to(rates.outage_max_ms)).unwrap_or(i64::MAX);
            self.options.faults.set_away(part, self.now().plus_millis(length_ms));
        }
        if self.options.faults.is_away(part, self.now()) {
            return Err(unavailable(part, "it is away"));
        }
        if self.strikes(rates.calls_failed) {
            return Err(unavailable(part, "the call did not get there"));
        }
        Ok(())
    }

    /// Takes effect now, as a whole.
    pub(crate) fn apply<T>(&self, effect: impl FnOnce(&mut Durable) -> T) -> T {
        let value = effect(&mut self.durable());
        self.bell.ring();
        value
    }

    pub(crate) async fn travel(&self) {
        let rates = self.rates();
        if self.strikes(rates.calls_slow) {
            let slow_ms = self.up_to(rates.slow_max_ms);
            return self.runtime.sleep(Duration::from_millis(slow_ms)).await;
        }
        match self.options.latency_max_ms {
            0 => self.runtime.yield_now().await,
            most_ms => {
                let latency_ms = self.up_to(most_ms);
                self.runtime.sleep(Duration::from_millis(latency_ms)).await;
            }
        }
    }

    /// Waits until `holds`, looking again after every effect, and at the latest when `again_at` has come.
    pub(crate) async fn until(
        &self,
        mut holds: impl FnMut(&mut Durable) -> bool + Send,
        again_at: impl Fn(&Durable) -> Option<Timestamp> + Send,
    ) {
        loop {
            let seen = self.bell.times();
            let wake_at = {
                let mut durable = self.durable();
                if holds(&mut durable) {
                    return;
                }
                again_at(&durable)
            };
            let rung = self.bell.rung_since(seen);
            match wake_at {
                None => rung.await,
                Some(at) => {
                    // At least a millisecond, so that a deadline of this very instant cannot spin.
                    let wait_ms = at.millis_since(self.now()).max(1).unsigned_abs();
                    race(rung, self.runtime.sleep(Duration::from_millis(wait_ms))).await;
                }
            }
        }
    }
}

pub(crate) fn unavailable(part: Part, cause: &str) -> Error {
    Error::Unavailable { engine: part.name(), cause: cause.to_owned() }
}
