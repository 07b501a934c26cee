//! A whole run against shops that lie: one that forgets an acknowledged order, one that sells a unit twice, one that gives
//! an order's number to two buyers. The run must come out wrong, and right with the same shop being honest.
#![cfg(test)]

use doos_bench::{Children, Options, Report, Scenario, Target};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const GIVEN: i64 = 100_000_000;
const ORDERS: u64 = 40;

#[derive(Clone, Copy, PartialEq)]
enum Shop {
    Honest,
    /// The tenth order is acknowledged and not kept.
    Forgets,
    /// More is sold than free falls.
    Oversells,
    /// The tenth order is answered with the number of the ninth.
    GivesANumberTwice,
}

#[derive(Default)]
struct Kept {
    placed: u64,
    /// User of each order.
    orders: HashMap<u64, String>,
}

fn open(shop: Shop) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let kept = Arc::new(Mutex::new(Kept::default()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, kept) = (stream.unwrap(), Arc::clone(&kept));
            std::thread::spawn(move || serve(stream, shop, &kept));
        }
    });
    address
}

fn serve(mut stream: TcpStream, shop: Shop, kept: &Mutex<Kept>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path: Vec<&str> = head.split(' ').collect();
        let (status, text) = answer(path[0], path[1], &body, shop, &mut kept.lock().unwrap());
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(method: &str, path: &str, body: &[u8], shop: Shop, kept: &mut Kept) -> (u16, String) {
    match (method, path) {
        ("POST", "/v1/products") => (201, r#"{"product_id":"1"}"#.to_owned()),
        ("POST", "/v1/stock/1:receive") => (200, "{}".to_owned()),
        ("GET", "/metrics") => (200, "doos_tail_orders 0\n".to_owned()),
        ("GET", "/v1/stock/1") => {
            let sold = kept.orders.len() as i64;
            let free = GIVEN - sold + i64::from(shop == Shop::Oversells);
            let stock = format!(r#"{{"received":{GIVEN},"on_hand":{free},"free":{free},"held":0,"sold":{sold}}}"#);
            (200, stock)
        }
        ("POST", "/v1/orders") => {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            kept.placed += 1;
            let tenth = kept.placed == 10;
            let order = if tenth && shop == Shop::GivesANumberTwice { 9 } else { kept.placed };
            if !(tenth && shop == Shop::Forgets) {
                kept.orders.insert(order, body["user_id"].as_str().unwrap().to_owned());
            }
            (201, format!(r#"{{"order_id":"{order}"}}"#))
        }
        ("GET", path) => {
            let order = path.rsplit('/').next().unwrap().parse().unwrap();
            kept.orders.get(&order).map_or_else(
                || (404, "{}".to_owned()),
                |user| {
                    let items = r#"[{"product_id":"1","quantity":1}]"#;
                    let text =
                        format!(r#"{{"order_id":"{order}","user_id":"{user}","status":"confirmed","items":{items}}}"#);
                    (200, text)
                },
            )
        }
        other => panic!("{other:?} was not expected"),
    }
}

fn run(shop: Shop) -> Report {
    let target = Target::parse(&format!("http://{}", open(shop)), Some("token".to_owned())).unwrap();
    let options = Options {
        scenarios: vec![Scenario::Place],
        target: Some(target),
        connections: 4,
        threads: 2,
        seconds: 60,
        count: Some(ORDERS),
        rounds: 1,
        products: 1,
        yardsticks: false,
        ..Options::default()
    };
    doos_bench::run(&options, &Children::default()).unwrap()
}

#[test]
fn an_honest_shop_has_right_books() {
    let report = run(Shop::Honest);
    assert!(report.integrity.holds(), "{:?}", report.integrity);
    assert_eq!(report.integrity.acknowledged, ORDERS);
}

#[test]
fn a_shop_that_lies_is_found_out() {
    for (shop, words) in [
        (Shop::Forgets, "order 10 was acknowledged and is lost"),
        (Shop::Oversells, "the numbers of product 1 do not balance"),
        (Shop::GivesANumberTwice, "two buyers were given the order number 9"),
    ] {
        let report = run(shop);
        assert!(!report.integrity.holds());
        let told = &report.integrity.faults.told;
        assert!(told.iter().any(|fault| fault.contains(words)), "{told:?}");
    }
}
