//! Every operation of the REST interface, as people are told of it, by context.
//!
//! What holds: each operation stands once, in the file of its context, and names what it can be refused with beyond
//! what every operation of its kind can.

mod node;
mod operator;
mod orders;
mod session;
mod shop;
mod statistics;

/// Method, path, and what a client needs to know.
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub id: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub parameters: &'static [Parameter],
    /// The schema of the request body.
    pub body: Option<&'static str>,
    pub body_required: bool,
    pub answers: &'static [Answer],
    pub kind: Kind,
    /// Refusals beyond those of its kind.
    pub codes: &'static [&'static str],
}

/// What every operation of a kind can be refused with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks for no token.
    Open,
    Read,
    /// Takes a body and an idempotency key.
    Write,
    /// Changes something under no key: done again, it finds nothing to do.
    Settle,
}

pub struct Parameter {
    pub name: &'static str,
    pub place: &'static str,
    pub kind: &'static str,
    pub description: &'static str,
    pub example: &'static str,
}

pub struct Answer {
    pub status: u16,
    pub description: &'static str,
    pub content: Option<&'static str>,
    pub schema: Option<&'static str>,
    pub headers: &'static [(&'static str, &'static str)],
}

const CALLER_CODES: &[&str] =
    &["token_invalid", "token_missing", "rate_limited", "internal", "unavailable", "broken_store"];
const BODY_CODES: &[&str] =
    &["invalid_json", "invalid_request", "body_too_large", "unsupported_media_type", "request_timeout", "not_ready"];
const KEY_CODES: &[&str] = &["idempotency_key_invalid", "idempotency_key_reused", "in_progress"];
const EFFECT_CODES: &[&str] = &["overloaded", "outcome_unknown"];

impl Operation {
    pub fn is_open(&self) -> bool {
        self.kind == Kind::Open
    }

    pub fn all_codes(&self) -> impl Iterator<Item = &'static str> {
        let of_kind: &[&[&str]] = match self.kind {
            Kind::Open => &[&["internal"]],
            Kind::Read => &[CALLER_CODES],
            Kind::Write => &[CALLER_CODES, BODY_CODES, KEY_CODES, EFFECT_CODES],
            Kind::Settle if self.body.is_some() => &[CALLER_CODES, BODY_CODES, EFFECT_CODES],
            Kind::Settle => &[CALLER_CODES, EFFECT_CODES],
        };
        of_kind.iter().copied().flatten().chain(self.codes).copied()
    }
}

pub const INTRODUCTION: &str = "\
An order back end that never oversells and never loses an order it has acknowledged: a success is answered only after \
the order is on disk.

Ids are strings, and numbers are taken too. Money is an integer of minor units with its currency. Times are UTC. \
Unknown fields are refused.

Every call that changes something takes an `Idempotency-Key`: repeat a call under its key as often as you like, and it \
is done once and answered alike, for seven days. Refusals are problem details with a stable `code`; `/docs/errors/CODE` \
says what to do about each. `trace-id` stands in every answer; send `traceparent` to use your own.";

const ORDERS: &str = "Orders";
const LIVE: &str = "Live";
const CATALOGUE: &str = "Catalogue";
const STOCK: &str = "Stock";
const PAYMENT: &str = "Payment";
const SESSION: &str = "Session";
const OPERATOR: &str = "Operator";
const NODE: &str = "Node";
const STATISTICS: &str = "Statistics";

pub const TAGS: &[(&str, &str)] = &[
    (
        ORDERS,
        "Place, read and move orders. A customer acts for itself, a service for the user it names; somebody else's \
        order is answered like one that does not exist.",
    ),
    (LIVE, "Orders as they change."),
    (CATALOGUE, "What is sold, at which price. Operators change it."),
    (STOCK, "What is there: received − written off = free + held + sold, at every instant."),
    (PAYMENT, "What the payment provider tells us."),
    (SESSION, "Who is calling, and a browser's log-in."),
    (STATISTICS, "Sums over all orders, right to the unit, a moment behind them. For everybody but customers."),
    (OPERATOR, "Finding orders, messages, dead letters, the books, who did what. For operators only."),
    (NODE, "Whether it lives, what it counts, this document."),
];

const fn path(name: &'static str, description: &'static str, example: &'static str) -> Parameter {
    Parameter { name, place: "path", kind: "string", description, example }
}

const fn query(name: &'static str, kind: &'static str, description: &'static str) -> Parameter {
    Parameter { name, place: "query", kind, description, example: "" }
}

const ORDER_ID: Parameter = path("order_id", "The order.", "24017338028589056");
const PRODUCT_ID: Parameter = path("product_id", "The product.", "101");
const KEY: Parameter = Parameter {
    name: "Idempotency-Key",
    place: "header",
    kind: "string",
    description: "1 to 255 visible ASCII characters; made once for each intent, kept over retries.",
    example: "b9f6f1c2-0001",
};
const PAGE_SIZE: Parameter = query("page_size", "integer", "1 to 100; 20 if absent.");
const PAGE_TOKEN: Parameter = query("page_token", "string", "`next_page_token` of the page before.");
const LANGUAGE: Parameter = query("lang", "string", "`en` or `zh`; else `Accept-Language` counts.");

const fn json(status: u16, description: &'static str, schema: &'static str) -> Answer {
    Answer { status, description, content: Some("application/json"), schema: Some(schema), headers: &[] }
}

const fn text(description: &'static str, content: &'static str) -> Answer {
    Answer { status: 200, description, content: Some(content), schema: None, headers: &[] }
}

const fn text_with(status: u16, description: &'static str, content: &'static str) -> Answer {
    Answer { status, description, content: Some(content), schema: None, headers: &[] }
}

const NOTHING: Operation = Operation {
    method: "get",
    path: "",
    id: "",
    tag: NODE,
    summary: "",
    description: "",
    parameters: &[],
    body: None,
    body_required: true,
    answers: &[],
    kind: Kind::Read,
    codes: &[],
};

/// In the order in which they are read.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    let contexts = [
        orders::OPERATIONS,
        shop::OPERATIONS,
        session::OPERATIONS,
        operator::OPERATIONS,
        statistics::OPERATIONS,
        node::OPERATIONS,
    ];
    contexts.into_iter().flatten()
}
