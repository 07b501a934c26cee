//! Orders to test with: every command as a value, and an order in each state it can be in.

use doos_domain::actor::{Actor, Cause};
use doos_domain::ids::{AttemptId, OrderId, ProductId, RefundId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome, PaymentLimits, Step, Verdict};
use doos_domain::pricing::{Line, Quote};
use doos_domain::stock::Decision;
use doos_domain::time::Timestamp;

pub const TOTAL_MINOR: i64 = 1_000;
pub const RETURN_WINDOW_MS: i64 = 100;
pub const LIMITS: PaymentLimits = PaymentLimits { unpaid_ms: 1_000, closing_ms: 500 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Customer,
    Operator,
    Service,
    System,
}

/// Everything that can be asked of an order; attempts and refunds by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Stock(Decision),
    Cancel(Who),
    Pay,
    Captured(u32),
    Closed(u32),
    RefundSettled(u32),
    /// The deadline's sweep, so many milliseconds after the order was placed.
    Overdue(i64),
    Ship,
    CarrierTook,
    ShippingFailed,
    Deliver,
    TakeBack(Who),
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn user() -> UserId {
    UserId::new(42).expect("forty-two is an id")
}

pub fn cause(who: Who, now_ms: i64) -> Cause {
    let actor = match who {
        Who::Customer => Actor::Customer(user()),
        Who::Operator => Actor::Operator("amy".to_owned()),
        Who::Service => Actor::Service("pos".to_owned()),
        Who::System => Actor::system("test"),
    };
    Cause::new(at(now_ms), actor)
}

pub fn money(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::Cny)
}

pub fn place() -> Step {
    let line = Line {
        product_id: ProductId::new(7).expect("seven is an id"),
        quantity: 2,
        unit_price: money(TOTAL_MINOR / 2),
    };
    let quote = Quote { lines: vec![line], total: money(TOTAL_MINOR) };
    Order::place(OrderId::new(1).expect("one is an id"), user(), quote, None, &cause(Who::Customer, 0))
}

pub fn apply(order: &Order, command: Command, now_ms: i64) -> Verdict {
    let system = cause(Who::System, now_ms);
    match command {
        Command::Stock(decision) => order.stock_decided(decision, &system),
        Command::Cancel(who) => order.cancel(&cause(who, now_ms)),
        Command::Pay => order.pay(None, &cause(Who::Customer, now_ms)),
        Command::Captured(number) => {
            order.payment_captured(&AttemptId::nth(order.id, number), money(TOTAL_MINOR), &system)
        }
        Command::Closed(number) => order.payment_closed(&AttemptId::nth(order.id, number), &system),
        Command::RefundSettled(number) => order.refund_settled(&RefundId::nth(order.id, number as usize), &system),
        Command::Overdue(after_ms) => order.payment_overdue(LIMITS, &cause(Who::System, after_ms)),
        Command::Ship => order.ship("t-1", "shipped_by_hand", &cause(Who::Operator, now_ms)),
        Command::CarrierTook => order.carrier_took_it("t-2", false, &system),
        Command::ShippingFailed => order.shipping_failed("no van", &system),
        Command::Deliver => order.deliver(&system),
        Command::TakeBack(who) => order.take_back(RETURN_WINDOW_MS, &cause(who, now_ms)),
    }
}

/// The order after these commands; each must change it.
pub fn order_after(commands: &[Command]) -> Order {
    commands.iter().fold(place().order, |order, command| match apply(&order, *command, 10) {
        Ok(Outcome::Changed(step)) => step.order,
        other => panic!("{command:?} on an order that is {} gave {other:?}", order.status),
    })
}

/// Every state worth telling apart, by name: the status, and what money and parcel add to it.
pub fn states() -> Vec<(&'static str, Order)> {
    use Command::{Cancel, Captured, CarrierTook, Closed, Deliver, Overdue, Pay, ShippingFailed, Stock, TakeBack};
    let deducted = Stock(Decision::Deducted);
    let paid = [deducted, Pay, Captured(1)];
    let with = |more: &[Command]| order_after(&[&paid[..], more].concat());
    vec![
        ("pending", order_after(&[])),
        ("pending+waiting", order_after(&[Pay])),
        ("pending+captured", order_after(&[Pay, Captured(1)])),
        ("confirmed", order_after(&[deducted])),
        ("confirmed+capturing", order_after(&[deducted, Pay])),
        ("confirmed+closing", order_after(&[deducted, Pay, Overdue(1_000)])),
        ("confirmed+closed", order_after(&[deducted, Pay, Closed(1)])),
        ("paid", with(&[])),
        ("ship_failed", with(&[ShippingFailed])),
        ("shipped", with(&[CarrierTook])),
        ("delivered", with(&[CarrierTook, Deliver])),
        ("cancelled", order_after(&[Cancel(Who::Customer)])),
        ("cancelled+closing", order_after(&[deducted, Pay, Cancel(Who::Customer)])),
        ("cancelled+refunding", with(&[Cancel(Who::Customer)])),
        ("cancelled+parcel", with(&[CarrierTook, Cancel(Who::Operator)])),
        ("returned", with(&[CarrierTook, Deliver, TakeBack(Who::Customer)])),
    ]
}
