//! One stream: sends orders as fast as they are taken, and matches the answers.

use anyhow::{Context, Result};
use doos_gateway::proto::order_v1::create_orders_response::Outcome;
use doos_gateway::proto::order_v1::{CreateOrdersRequest, CreateOrdersResponse};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{Client, Shared, is_shed, message_of};
use crate::load::Tally;
use crate::notes::{Acknowledged, Notes};

/// Orders that lie ready to be sent.
const READY_MAX: usize = 256;
/// A stream that was not let in asks again.
const COME_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// An order that was sent, and when.
type Waiting = RefCell<HashMap<String, (Acknowledged, u64)>>;

pub async fn drive(shared: &Shared, mut client: Client, seed: u64) -> Result<(Tally, Notes)> {
    let waiting = Waiting::default();
    let mut tally = Tally::default();
    let Some((ready, mut answers)) = open(shared, &mut client, &mut tally).await? else {
        return Ok((tally, Notes::default()));
    };
    let receive = async {
        let mut notes = Notes::default();
        loop {
            let answer = match answers.message().await {
                Ok(Some(answer)) => answer,
                Ok(None) => break,
                Err(status) => {
                    tally.unknown(format!("the stream broke: {:?}", status.code()));
                    break;
                }
            };
            tally.elapsed_ns = shared.clock.now_ns();
            let Some((mut order, sent_ns)) = waiting.borrow_mut().remove(&answer.client_ref) else {
                notes.faults.add(|| format!("an answer for {}, which is not waiting for one", answer.client_ref));
                continue;
            };
            let latency_ns = tally.elapsed_ns - sent_ns;
            match answer.outcome {
                Some(Outcome::OrderId(order_id)) => {
                    order.order_id = order_id as u64;
                    shared.acknowledged(order, &mut notes);
                    tally.done(latency_ns, latency_ns);
                }
                Some(Outcome::Problem(problem)) if problem.retryable => tally.shed(latency_ns, true),
                Some(Outcome::Problem(problem)) => tally.failed(problem.code),
                None => tally.failed("an answer without an outcome".to_owned()),
            }
        }
        notes.unanswered += waiting.borrow().len() as u64;
        Ok::<_, anyhow::Error>((tally, notes))
    };
    let send = async {
        let mut random = fastrand::Rng::with_seed(seed);
        while shared.is_open() {
            let order = shared.next_order(&mut random);
            let client_ref = order.user_id.to_string();
            waiting.borrow_mut().insert(client_ref.clone(), (order, shared.clock.now_ns()));
            let idempotency_key = String::new();
            let element = CreateOrdersRequest { client_ref, idempotency_key, order: Some(message_of(order)) };
            // Nobody reads any more: the stream has broken, and its receiver says so.
            if ready.send(element).await.is_err() {
                break;
            }
        }
        // The end of the stream is the end of its sender.
        drop(ready);
    };
    let (received, ()) = tokio::join!(receive, send);
    received
}

type Opened = (mpsc::Sender<CreateOrdersRequest>, Streaming<CreateOrdersResponse>);

/// Opens the stream; told to come later, it comes later. None if the time of the load is over before it is let in.
async fn open(shared: &Shared, client: &mut Client, tally: &mut Tally) -> Result<Option<Opened>> {
    while shared.is_in_time() {
        let (ready, stream) = mpsc::channel(READY_MAX);
        let sent_ns = shared.clock.now_ns();
        match client.create_orders(shared.request(ReceiverStream::new(stream))).await {
            Ok(answers) => return Ok(Some((ready, answers.into_inner()))),
            Err(status) if is_shed(status.code()) && status.metadata().contains_key("problem-code") => {
                tally.shed(shared.clock.now_ns() - sent_ns, status.metadata().contains_key("retry-after"));
                tokio::time::sleep(COME_AGAIN_AFTER).await;
            }
            Err(status) => return Err(status).context("the stream was refused"),
        }
    }
    Ok(None)
}
