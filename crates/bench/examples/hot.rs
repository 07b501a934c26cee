//! Runs one hot function so many times, for `scripts/instructions.sh`, which counts the instructions of it.
//!
//! What holds: the same name and count is the same work, whatever the time and the machine; the difference of two
//! counts is that of so many runs, since everything else is done once.
//!
//! Usage: `hot NAME RUNS`; `hot` alone lists the names.

use anyhow::{Context, Result, bail};
use doos_adapter_embedded::hot as embedded;
use doos_domain::actor::{Actor, Cause};
use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::{EPOCH_MILLIS, Generator, OrderId, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Step};
use doos_domain::pricing::{self, Quote, WantedLine};
use doos_domain::time::Timestamp;
use doos_gateway::hot as gateway;
use doos_journal::{Journal, Options, RealDisk};
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

const BODY: &[u8] = br#"{"user_id":"123456","items":[{"product_id":"17","quantity":1}],"address":"1 Harbour Street"}"#;
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// Orders of one journal group, as many as connections of the usual load.
const GROUP_LEN: usize = 64;

type Run = fn(u64) -> Result<()>;

const HOT: &[(&str, Run)] = &[
    ("read-place-body", |runs| each(runs, || gateway::reads_place_body(black_box(BODY)))),
    ("price", price),
    ("issue-id", issue_id),
    ("place-order", |runs| each(runs, || placed(black_box(7)))),
    ("render-answer", |runs| {
        let order = placed(7).order;
        each(runs, || gateway::render_order(black_box(&order)))
    }),
    ("encode-order", |runs| {
        let order = placed(7).order;
        each(runs, || embedded::encode_order(black_box(&order)))
    }),
    ("encode-message", |runs| {
        let step = placed(7);
        each(runs, || embedded::encode_message(black_box(&step.messages[0])))
    }),
    ("append-group-of-64", append),
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        let mut out = std::io::stdout().lock();
        return HOT.iter().try_for_each(|(name, _)| Ok(writeln!(out, "{name}")?));
    };
    let runs = arguments.next().context("how many runs?")?.parse()?;
    let Some((_, run)) = HOT.iter().find(|(known, _)| *known == name) else { bail!("there is no function {name}") };
    run(runs)
}

fn each<T>(runs: u64, mut run: impl FnMut() -> T) -> Result<()> {
    (0..runs).for_each(|_| drop(black_box(run())));
    Ok(())
}

fn at() -> Timestamp {
    Timestamp::from_millis(EPOCH_MILLIS + 86_400_000)
}

fn price(runs: u64) -> Result<()> {
    let product = kettle();
    let wanted = [wanted()];
    each(runs, || pricing::quote(black_box(&wanted), |id| (id == product.id).then_some(&product), Default::default()))
}

fn issue_id(runs: u64) -> Result<()> {
    let generator = Generator::new(1, at(), at().plus_millis(1_000_000_000));
    let mut number = 0;
    each(runs, || {
        number += 1;
        // A millisecond for each turn through all buckets, so that none runs ahead.
        let now = at().plus_millis(number / 1_024);
        generator.next(user(1 + number as u64).bucket(), black_box(now))
    })
}

fn append(runs: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let disk = Arc::new(RealDisk::open(dir.path())?);
    let (mut journal, _) = Journal::open(disk, Options::default(), 0, false)?;
    let units = (1..=GROUP_LEN as u64).map(placed);
    let records: Vec<Vec<u8>> = units
        .flat_map(|unit| [embedded::encode_order(&unit.order), embedded::encode_message(&unit.messages[0])])
        .collect();
    for _ in 0..runs {
        journal.append(black_box(&records))?;
    }
    Ok(())
}

fn placed(number: u64) -> Step {
    let line = pricing::Line { product_id: wanted().product_id, quantity: 1, unit_price: price_of_one() };
    let quote = Quote { lines: vec![line], total: price_of_one() };
    let cause = Cause::new(at(), Actor::Customer(user(number))).traced(Some(TRACE.to_owned()));
    let id = OrderId::new(1 << 40 | number).expect("it is not zero");
    Order::place(id, user(number), quote, Some("1 Harbour Street".to_owned()), &cause)
}

fn user(number: u64) -> UserId {
    UserId::new(number).expect("users count from one")
}

fn wanted() -> WantedLine {
    WantedLine { product_id: ProductId::new(17).expect("it is not zero"), quantity: 1, seen_price: None }
}

fn price_of_one() -> Money {
    Money::new(9_999, Currency::Cny)
}

fn kettle() -> Product {
    Product {
        id: wanted().product_id,
        version: 1,
        name: LocalText::plain("Kettle"),
        description: LocalText::default(),
        price: price_of_one(),
        category: String::new(),
        picture: None,
        on_sale: true,
        updated_at: at(),
    }
}
