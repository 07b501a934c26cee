//! Loads on small servers of the test's own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;

struct Knock;

impl Work for Knock {
    fn prepare(&mut self, request: &mut Vec<u8>) {
        request.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
    }

    fn judge(&mut self, answer: Answer<'_>) -> Outcome {
        match answer.status {
            200 => Outcome::Done,
            503 => Outcome::Shed { with_retry_after: answer.has_retry_after },
            other => Outcome::Failed(other.to_string()),
        }
    }

    fn lost(&mut self) {}

    fn into_notes(self) -> Notes {
        Notes::default()
    }
}

/// Serves every connection in a thread of its own with what `answer` says to the call with this number.
fn server(answer: impl Fn(u64) -> &'static str + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, calls) = (Arc::new(answer), Arc::new(AtomicU64::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer, calls): (TcpStream, _, _) = (stream.unwrap(), answer.clone(), calls.clone());
            std::thread::spawn(move || {
                let mut request = [0; 256];
                while stream.read(&mut request).is_ok_and(|got| got > 0) {
                    let text = answer(calls.fetch_add(1, Ordering::SeqCst));
                    if stream.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn load(target: SocketAddr, pace: Pace, seconds: f64) -> Load {
    Load { target, connections: 4, threads: 2, pace, seconds, count_max: None }
}

#[test]
fn a_stall_of_a_second_is_counted_for_every_arrival_of_that_second() {
    let stalling = server(|call| {
        if call == 100 {
            std::thread::sleep(Duration::from_secs(1));
        }
        OK
    });
    let one = Load { connections: 1, threads: 1, ..load(stalling, Pace::Open { rate_per_s: 200.0 }, 2.0) };
    let (tally, _) = one.run(|_| Knock).unwrap();
    assert_eq!((tally.latency.count(), tally.unsent), (400, 0));
    // 200 arrivals fell into the stall; those of its first 900 ms waited 100 ms or more. Only one was slow by itself,
    // on a machine that is not itself stalled.
    let waited = tally.latency.count_from_ms(100);
    assert!(waited >= 175, "{waited} of 400 waited");
    let percentiles = tally.numbers().latency.unwrap();
    assert!(percentiles.p99_ms >= 900.0, "{percentiles:?}");
    assert!(tally.service.count_from_ms(100) < waited, "the sending is not the intended start");
}

#[test]
fn an_open_loop_sends_what_its_rate_says_and_not_more() {
    let (tally, _) = load(server(|_| OK), Pace::Open { rate_per_s: 300.0 }, 1.0).run(|_| Knock).unwrap();
    assert_eq!((tally.latency.count(), tally.failed, tally.unsent), (300, 0, 0));
}

#[test]
fn a_count_ends_a_closed_loop_exactly() {
    let counted = Load { count_max: Some(1_234), ..load(server(|_| OK), Pace::Closed, 60.0) };
    let (tally, _) = counted.run(|_| Knock).unwrap();
    assert_eq!(tally.latency.count(), 1_234);
}

#[test]
fn every_outcome_is_counted_once_under_its_own_name() {
    let mixed = server(|call| match call % 4 {
        0 => OK,
        1 => "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
        2 => "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
        _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    });
    let one = Load { connections: 1, count_max: Some(400), ..load(mixed, Pace::Closed, 60.0) };
    let (tally, _) = one.run(|_| Knock).unwrap();
    let numbers = tally.numbers();
    assert_eq!((numbers.done, numbers.shed, numbers.shed_without_retry_after, numbers.failed), (100, 200, 100, 100));
    assert_eq!(numbers.causes["404"], 100);
}

#[test]
fn a_load_on_nobody_ends_and_says_so() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for pace in [Pace::Closed, Pace::Open { rate_per_s: 10_000.0 }] {
        let (tally, _) = load(nobody, pace, 30.0).run(|_| Knock).unwrap();
        assert_eq!(tally.latency.count(), 0);
        assert!(tally.failed > 0);
    }
}

#[test]
fn an_open_loop_that_cannot_keep_up_ends_and_counts_what_it_never_sent() {
    let slow = server(|_| {
        std::thread::sleep(Duration::from_millis(20));
        OK
    });
    let (tally, _) = load(slow, Pace::Open { rate_per_s: 5_000.0 }, 0.2).run(|_| Knock).unwrap();
    assert_eq!(tally.latency.count() + tally.unsent, 1_000);
    assert!(tally.unsent > 0);
}

#[test]
fn a_shut_valve_lets_nothing_through() {
    let valve = Valve::default();
    valve.set_shut(true);
    let (tally, _) = load(server(|_| OK), Pace::Gated(valve), 0.1).run(|_| Knock).unwrap();
    assert_eq!(tally.latency.count(), 0);
}
