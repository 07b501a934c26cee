//! One caller: places one order after the other, each with a call of its own.

use super::{CALL_DEADLINE, Client, Shared, is_shed, message_of};
use crate::load::Tally;
use crate::notes::Notes;

/// A caller whose calls fail so often in a row gives up.
const FAILED_IN_A_ROW_MAX: u32 = 50;

pub async fn drive(shared: &Shared, mut client: Client, seed: u64) -> (Tally, Notes) {
    let (mut tally, mut notes) = (Tally::default(), Notes::default());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut failed_in_a_row = 0;
    while failed_in_a_row < FAILED_IN_A_ROW_MAX && shared.is_open() {
        let mut order = shared.next_order(&mut random);
        let sent_ns = shared.clock.now_ns();
        let mut request = shared.request(message_of(order));
        request.set_timeout(CALL_DEADLINE);
        let outcome = client.create_order(request).await;
        tally.elapsed_ns = shared.clock.now_ns();
        let latency_ns = tally.elapsed_ns - sent_ns;
        failed_in_a_row = if outcome.is_ok() { 0 } else { failed_in_a_row + 1 };
        match outcome {
            Ok(answer) => {
                order.order_id = answer.into_inner().order_id as u64;
                shared.acknowledged(order, &mut notes);
                tally.done(latency_ns, latency_ns);
            }
            Err(status) if is_shed(status.code()) && status.metadata().contains_key("problem-code") => {
                failed_in_a_row = 0;
                tally.shed(latency_ns, status.metadata().contains_key("retry-after"));
            }
            Err(status) => {
                // It may have been carried out, unless the server itself says that it was not.
                if status.metadata().contains_key("problem-code") {
                    tally.failed(format!("gRPC {:?}: {}", status.code(), status.message()));
                } else {
                    notes.unanswered += 1;
                    tally.unknown(format!("gRPC {:?}", status.code()));
                }
            }
        }
    }
    (tally, notes)
}
