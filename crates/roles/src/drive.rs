//! Runs a role for ever: work while there is work, wait while there is none, back off while something is away.

use doos_ports::clock::Clock;
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{Ran, Role};

const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// Returns when `stop` completes; a run in progress is finished first, so nothing is left half done.
pub async fn drive(mut role: Box<dyn Role>, clock: Arc<dyn Clock>, stop: impl Future<Output = ()> + Send) {
    let mut stop = pin!(stop);
    let mut pause = PAUSE_FIRST;
    let mut failing = false;
    loop {
        let wait = match role.run_once(clock.now()).await {
            Ok(ran) => {
                if failing {
                    tracing::info!(role = role.name(), "the role works again");
                }
                (failing, pause) = (false, PAUSE_FIRST);
                ran == Ran::Idle
            }
            Err(error) => {
                // Once for each outage: a role that retries all night must not fill the log.
                if !failing {
                    let cause = error.cause().unwrap_or_default();
                    tracing::warn!(role = role.name(), error = %error, cause, "the role cannot work; it keeps trying");
                }
                failing = true;
                if stopped_during(clock.sleep(pause), &mut stop).await {
                    return;
                }
                pause = (pause * 2).min(PAUSE_MOST);
                continue;
            }
        };
        let waiting = async {
            if wait {
                role.ready().await;
            }
        };
        if stopped_during(waiting, &mut stop).await {
            return;
        }
    }
}

/// Whether `stop` completed while `waiting` had not. Checked also when there is nothing to wait for.
async fn stopped_during(waiting: impl Future<Output = ()>, stop: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    matches!(select(stop, pin!(waiting)).await, Either::Left(_))
}
