//! Every operation of the REST interface, as people are told of it.

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
    /// Changes something, takes neither.
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
const WRITE_CODES: &[&str] = &[
    "invalid_json",
    "invalid_request",
    "body_too_large",
    "unsupported_media_type",
    "request_timeout",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "in_progress",
    "not_ready",
    "overloaded",
    "outcome_unknown",
];

impl Operation {
    pub fn is_open(&self) -> bool {
        self.kind == Kind::Open
    }

    pub fn all_codes(&self) -> impl Iterator<Item = &'static str> {
        let (caller, write): (&[&str], &[&str]) = match self.kind {
            Kind::Open => (&["internal"], &[]),
            Kind::Read => (CALLER_CODES, &[]),
            Kind::Write => (CALLER_CODES, WRITE_CODES),
            Kind::Settle => (CALLER_CODES, &["overloaded", "outcome_unknown"]),
        };
        caller.iter().chain(write).chain(self.codes).copied()
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
    (OPERATOR, "Finding orders, messages, dead letters, the books. For operators only."),
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
const LETTER_ID: Parameter = path("id", "The dead letter, percent-encoded.", "24017338028589056.1.DeductStock");
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

const PLACED: Answer = Answer {
    headers: &[
        ("Location", "The order's path."),
        ("Idempotent-Replayed", "`true` if this is the stored answer to an earlier call with this key."),
    ],
    ..json(201, "The order and its message are on disk.", "Order")
};
const MOVED: Answer = Answer {
    headers: &[("Idempotent-Replayed", "`true` if this is the stored answer to an earlier call with this key.")],
    ..json(200, "Where the order stands now; also if it stood there before.", "Order")
};
const FOUND: Answer = Answer {
    headers: &[("ETag", "Changes with the version; send it as `If-None-Match`.")],
    ..json(200, "The order with its history.", "Order")
};
const UNCHANGED: Answer =
    Answer { status: 304, description: "You have this version already.", content: None, schema: None, headers: &[] };

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

const PLACE: Operation = Operation {
    method: "post",
    path: "/v1/orders",
    id: "placeOrder",
    tag: ORDERS,
    summary: "Place an order: all lines or none.",
    description: "Lines of the same product are one demand. Prices are the catalogue's. `201` means that the order is \
        on disk; its stock is held, and becomes sold when the order is `confirmed`, usually within milliseconds.",
    parameters: &[KEY],
    body: Some("PlaceOrder"),
    answers: &[PLACED],
    kind: Kind::Write,
    codes: &[
        "out_of_stock",
        "price_changed",
        "product_unknown",
        "coupon_unknown",
        "user_invalid",
        "name_unknown",
        "forbidden",
    ],
    ..NOTHING
};

const LIST: Operation = Operation {
    path: "/v1/orders",
    id: "listOrders",
    tag: ORDERS,
    summary: "A page of orders, newest first.",
    description: "Without `user_id`: a customer's own; for everybody else all.",
    parameters: &[
        query("user_id", "string", "Whose orders; a number or a log-in name."),
        query("status", "string", "States by name, repeated or separated by commas."),
        PAGE_SIZE,
        PAGE_TOKEN,
    ],
    answers: &[json(200, "The page.", "OrderList")],
    codes: &["invalid_page", "invalid_request", "user_invalid", "name_unknown", "forbidden"],
    ..NOTHING
};

const READ: Operation = Operation {
    path: "/v1/orders/{order_id}",
    id: "readOrder",
    tag: ORDERS,
    summary: "One order with its history.",
    parameters: &[ORDER_ID],
    answers: &[FOUND, UNCHANGED],
    codes: &["not_found"],
    ..NOTHING
};

const MOVE: Operation = Operation {
    method: "post",
    tag: ORDERS,
    parameters: &[ORDER_ID, KEY],
    answers: &[MOVED],
    kind: Kind::Write,
    codes: &["not_found", "illegal_move", "forbidden"],
    ..NOTHING
};

const LETTER: Operation = Operation {
    tag: OPERATOR,
    parameters: &[LETTER_ID],
    answers: &[json(200, "The letter.", "DeadLetter")],
    codes: &["not_found", "forbidden"],
    ..NOTHING
};

const STOCK_MOVE: Operation = Operation {
    method: "post",
    tag: STOCK,
    parameters: &[PRODUCT_ID, KEY],
    body: Some("StockChange"),
    answers: &[json(200, "The product's stock after it, as the ledger has it.", "Stock")],
    kind: Kind::Write,
    ..NOTHING
};

pub const OPERATIONS: &[Operation] = &[
    PLACE,
    Operation { path: "/orders", id: "placeOrderShort", summary: "The same as `POST /v1/orders`.", ..PLACE },
    Operation { path: "/v1/order/create", id: "createOrder", summary: "The same as `POST /v1/orders`.", ..PLACE },
    LIST,
    Operation {
        path: "/orders",
        id: "listOrdersShort",
        summary: "The same as `GET /v1/orders`; the web page for browsers.",
        ..LIST
    },
    READ,
    Operation {
        path: "/orders/{order_id}",
        id: "readOrderShort",
        summary: "The same as `GET /v1/orders/{order_id}`; the web page for browsers.",
        ..READ
    },
    Operation {
        path: "/v1/orders/{order_id}/history",
        id: "readOrderHistory",
        tag: ORDERS,
        summary: "Each change of an order, with time, actor and reason.",
        parameters: &[ORDER_ID],
        answers: &[json(200, "The history, oldest first.", "OrderHistory")],
        codes: &["not_found"],
        ..NOTHING
    },
    Operation {
        path: "/v1/orders/{order_id}:cancel",
        id: "cancelOrder",
        summary: "Cancel an order.",
        description: "Possible until it is delivered; a shipped one is called back by operators only. Its stock goes \
            back once, captured money is refunded. Cancelling a cancelled order succeeds and changes nothing.",
        ..MOVE
    },
    Operation {
        path: "/v1/orders/{order_id}:pay",
        id: "payOrder",
        summary: "Pay an order.",
        description: "Accepted from `pending`; the money is captured once the order is `confirmed`. Waits a few seconds \
            for the provider; if it has not said by then what became of it, the answer is `202`, and the order tells.",
        answers: &[
            MOVED,
            Answer {
                headers: &[("Retry-After", "When to ask again.")],
                ..json(202, "Accepted; the outcome is not known yet.", "Order")
            },
        ],
        codes: &["not_found", "illegal_move", "already_paid", "payment_closing"],
        ..MOVE
    },
    Operation {
        path: "/v1/orders/{order_id}:ship",
        id: "shipOrder",
        summary: "Ship a paid order by hand.",
        body: Some("ShipOrder"),
        body_required: false,
        ..MOVE
    },
    Operation { path: "/v1/orders/{order_id}:deliver", id: "deliverOrder", summary: "The parcel has arrived.", ..MOVE },
    Operation {
        path: "/v1/orders/{order_id}:return",
        id: "returnOrder",
        summary: "The goods are back.",
        description: "A delivered order becomes returned: its stock goes back on the shelf and the money is refunded. \
            For a recalled order only the stock goes back.",
        ..MOVE
    },
    Operation {
        path: "/v1/stream",
        id: "watchOrders",
        tag: LIVE,
        summary: "Orders as they change, over Server-Sent Events or a WebSocket.",
        description: "Events `order` carry the whole order; their id is what to resume after. Delivery is at least \
            once, in version order per order. Without `user_id`: a customer's own orders; for everybody else all of \
            them, with events `counters` in between. A stream that cannot keep up, or whose node stops, ends with an \
            event `closed` that says after what to resume; a WebSocket says it in its close reason.",
        parameters: &[
            query("user_id", "string", "Whose orders."),
            query("after", "string", "Resume after the event with this id."),
            Parameter {
                name: "Last-Event-ID",
                place: "header",
                kind: "string",
                description: "The same as `after`; browsers send it by themselves.",
                example: "",
            },
        ],
        answers: &[
            text("The stream.", "text/event-stream"),
            Answer { status: 101, description: "The WebSocket is open.", content: None, schema: None, headers: &[] },
        ],
        codes: &["stream_limit", "position_unknown", "invalid_request", "user_invalid", "name_unknown", "forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/products",
        id: "listProducts",
        tag: CATALOGUE,
        summary: "Products on sale with their stock.",
        parameters: &[
            query("q", "string", "Words that must all appear in name, description or category."),
            query("category", "string", "Only this category."),
            LANGUAGE,
            PAGE_SIZE,
            PAGE_TOKEN,
        ],
        answers: &[json(200, "The page, by product id.", "ProductList")],
        codes: &["invalid_page", "invalid_request"],
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/products",
        id: "createProduct",
        tag: CATALOGUE,
        summary: "Add a product.",
        parameters: &[KEY],
        body: Some("NewProduct"),
        answers: &[json(201, "The product.", "Product")],
        kind: Kind::Write,
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/products/{product_id}",
        id: "readProduct",
        tag: CATALOGUE,
        summary: "One product with its stock.",
        parameters: &[PRODUCT_ID, LANGUAGE],
        answers: &[json(200, "The product.", "Product")],
        codes: &["not_found", "product_unknown", "invalid_request"],
        ..NOTHING
    },
    Operation {
        method: "patch",
        path: "/v1/products/{product_id}",
        id: "changeProduct",
        tag: CATALOGUE,
        summary: "Change what is named, leave the rest.",
        parameters: &[PRODUCT_ID, KEY],
        body: Some("ProductChange"),
        answers: &[json(200, "The product.", "Product")],
        kind: Kind::Write,
        codes: &["forbidden", "not_found", "product_conflict"],
        ..NOTHING
    },
    Operation {
        path: "/v1/stock/{product_id}",
        id: "readStock",
        tag: STOCK,
        summary: "A product's stock at one instant.",
        parameters: &[PRODUCT_ID],
        answers: &[json(200, "The stock.", "Stock")],
        codes: &["not_found", "product_unknown"],
        ..NOTHING
    },
    Operation {
        path: "/v1/stock/{product_id}:receive",
        id: "receiveStock",
        summary: "Book a delivery.",
        codes: &["forbidden", "not_found", "product_unknown"],
        ..STOCK_MOVE
    },
    Operation {
        path: "/v1/stock/{product_id}:write-off",
        id: "writeOffStock",
        summary: "Book a loss.",
        codes: &["forbidden", "not_found", "product_unknown", "not_enough_free"],
        ..STOCK_MOVE
    },
    Operation {
        path: "/v1/stock/{product_id}/movements",
        id: "listMovements",
        tag: STOCK,
        summary: "What has moved a product's stock.",
        parameters: &[PRODUCT_ID, PAGE_SIZE],
        answers: &[json(200, "The newest movements.", "MovementList")],
        codes: &["forbidden", "not_found", "invalid_page", "invalid_request"],
        ..NOTHING
    },
    Operation {
        method: "get",
        path: "/v1/users/me",
        id: "whoAmI",
        tag: SESSION,
        summary: "Who is calling.",
        answers: &[json(200, "The caller, as its token or session says.", "Me")],
        kind: Kind::Read,
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/auth/login",
        id: "logIn",
        tag: SESSION,
        summary: "Log in with a browser.",
        description: "Exactly one of `token`, `user` and `operator`. Answers with a cookie that scripts cannot read and \
            that counts like a bearer token for pages of this node, the WebSocket included. By name alone only in \
            profile dev, from the same machine.",
        body: Some("LogIn"),
        body_required: true,
        answers: &[json(200, "Logged in; the session is in the cookie.", "Me")],
        kind: Kind::Open,
        codes: &[
            "forbidden",
            "token_invalid",
            "token_missing",
            "name_unknown",
            "user_invalid",
            "invalid_json",
            "invalid_request",
            "body_too_large",
            "unsupported_media_type",
            "request_timeout",
            "rate_limited",
            "unavailable",
        ],
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/auth/logout",
        id: "logOut",
        tag: SESSION,
        summary: "End the session.",
        answers: &[Answer {
            status: 204,
            description: "The cookie is gone.",
            content: None,
            schema: None,
            headers: &[],
        }],
        kind: Kind::Open,
        codes: &["forbidden", "rate_limited"],
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/payments/callback",
        id: "paymentCallback",
        tag: PAYMENT,
        summary: "What became of an attempt or a refund.",
        description: "Signed instead of authenticated: HMAC-SHA-256 with the shared key over `t`, a full stop and the \
            body as sent. Repeats change nothing. Anything but a success is to be repeated later.",
        parameters: &[Parameter {
            name: "Doos-Signature",
            place: "header",
            kind: "string",
            description: "`t=<ms since 1970>,v1=<hex>`; five minutes are tolerated.",
            example: "",
        }],
        body: Some("PaymentCallback"),
        answers: &[json(200, "Booked, durably.", "CallbackTaken")],
        kind: Kind::Open,
        codes: &[
            "signature_invalid",
            "callback_rejected",
            "invalid_json",
            "invalid_request",
            "body_too_large",
            "unsupported_media_type",
            "request_timeout",
            "not_ready",
            "rate_limited",
            "overloaded",
            "unavailable",
        ],
        ..NOTHING
    },
    Operation {
        path: "/v1/admin/orders/{order_id}/messages",
        id: "listOrderMessages",
        tag: OPERATOR,
        summary: "Every message of an order, with what became of it.",
        parameters: &[ORDER_ID],
        answers: &[json(200, "The messages.", "MessageList")],
        codes: &["not_found", "forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/admin/dead-letters",
        id: "listDeadLetters",
        tag: OPERATOR,
        summary: "Messages given up on, oldest first.",
        parameters: &[PAGE_SIZE, PAGE_TOKEN],
        answers: &[json(200, "The page.", "DeadLetterList")],
        codes: &["forbidden", "invalid_page"],
        ..NOTHING
    },
    Operation { path: "/v1/admin/dead-letters/{id}", id: "readDeadLetter", summary: "One dead letter.", ..LETTER },
    Operation {
        method: "post",
        path: "/v1/admin/dead-letters/{id}:replay",
        id: "replayDeadLetter",
        summary: "Put it back in line, with fresh tries.",
        kind: Kind::Settle,
        ..LETTER
    },
    Operation {
        method: "post",
        path: "/v1/admin/dead-letters/{id}:discard",
        id: "discardDeadLetter",
        summary: "Give it up for good.",
        kind: Kind::Settle,
        ..LETTER
    },
    Operation {
        path: "/v1/admin/orders/{order_id}/ledger",
        id: "listOrderMovements",
        tag: OPERATOR,
        summary: "What an order has moved in the stock ledger, its return included.",
        parameters: &[ORDER_ID],
        answers: &[json(200, "The movements, oldest first.", "MovementList")],
        codes: &["not_found", "forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/admin/search",
        id: "searchOrders",
        tag: OPERATOR,
        summary: "Find orders, newest first; all that is given must hold.",
        description: "`q` means an order's number, a user by number or log-in name, a product by its name, or words of \
            the address and of parcel numbers; an order that fits one of these is found. Words are found by their \
            beginning, Chinese anywhere. A page may be short while `next_page_token` says that there is more. For \
            operators and the demo principal.",
        parameters: &[
            query("q", "string", "At most 200 characters."),
            query("user_id", "string", "Whose orders; a number or a log-in name."),
            query("product_id", "string", "Orders with a line of it."),
            query("status", "string", "States by name, repeated or separated by commas."),
            query("from", "string", "Placed at or after this time (RFC 3339)."),
            query("to", "string", "Placed before this time (RFC 3339)."),
            PAGE_SIZE,
            PAGE_TOKEN,
        ],
        answers: &[json(200, "The page.", "OrderList")],
        codes: &["invalid_page", "invalid_request", "user_invalid", "name_unknown", "forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/admin/system",
        id: "readSystem",
        tag: OPERATOR,
        summary: "How the node is doing: roles, lags, queues, the disk. For operators and the demo principal.",
        answers: &[json(200, "The state of this moment.", "System")],
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/admin/projections:rebuild",
        id: "rebuildProjections",
        tag: OPERATOR,
        summary: "Throw statistics and search away and fill them again from the orders, while everything goes on.",
        answers: &[text_with(202, "Begun; `/v1/stats/now` says how far it is.", "application/json")],
        kind: Kind::Settle,
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/stats/sales",
        id: "readSales",
        tag: STATISTICS,
        summary: "Orders and sales by minute, hour or day, for each currency.",
        description: "A sale is an order whose captured money has not been asked back; it counts in the minute in which \
            it was paid, and leaves it again when it is refunded. Whole buckets are given, at most 10,000. Minutes are \
            kept for 2 days, hours for 366, days for ever.",
        parameters: &[
            query("step", "string", "`minute`, `hour` or `day`; `hour` if absent. Also `by`."),
            query("from", "string", "RFC 3339; an hour, a day or thirty days before `to` if absent."),
            query("to", "string", "RFC 3339; now if absent."),
        ],
        answers: &[json(200, "The series.", "SalesSeries")],
        codes: &["invalid_request", "forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/stats/top-products",
        id: "readTopProducts",
        tag: STATISTICS,
        summary: "The best sold products of one day, most pieces first.",
        description: "Days are the shop's own (`projections.utc_offset_minutes`), which the answer tells.",
        parameters: &[
            query("day", "string", "`today`, `yesterday` or a date such as 2026-03-01; `today` if absent."),
            query("limit", "integer", "1 to 100; 10 if absent."),
            LANGUAGE,
        ],
        answers: &[json(200, "The products.", "TopProducts")],
        codes: &["invalid_request", "forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/stats/funnel",
        id: "readFunnel",
        tag: STATISTICS,
        summary: "How many orders are in each state.",
        answers: &[json(200, "The counts.", "Funnel")],
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/stats/summary",
        id: "readSummary",
        tag: STATISTICS,
        summary: "All time, today and yesterday at one glance.",
        answers: &[json(200, "The sums.", "StatisticsSummary")],
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/stats/now",
        id: "readNow",
        tag: STATISTICS,
        summary: "What changes by the second: rates, today, and how far the sums are behind.",
        answers: &[json(200, "The sums of this moment.", "StatisticsNow")],
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/stats/stock-alarms",
        id: "readStockAlarms",
        tag: STATISTICS,
        summary: "Products on sale that run low, least first.",
        parameters: &[
            query("below", "integer", "Products with less than this free; 20 if absent."),
            query("limit", "integer", "1 to 100; 20 if absent."),
            LANGUAGE,
        ],
        answers: &[json(200, "The products.", "StockAlarms")],
        codes: &["invalid_request", "forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/admin/audit",
        id: "audit",
        tag: OPERATOR,
        summary: "Proves the books from the durable data at one position.",
        answers: &[text("The report.", "application/json")],
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/livez",
        id: "alive",
        summary: "Whether the process answers.",
        answers: &[json(200, "It does.", "Health")],
        kind: Kind::Open,
        ..NOTHING
    },
    Operation {
        path: "/readyz",
        id: "ready",
        summary: "Whether the node can take work.",
        answers: &[json(200, "It can.", "Health")],
        kind: Kind::Open,
        codes: &["not_ready"],
        ..NOTHING
    },
    Operation {
        path: "/metrics",
        id: "metrics",
        summary: "The numbers, as OpenMetrics text.",
        answers: &[text("The numbers.", "application/openmetrics-text")],
        kind: Kind::Open,
        ..NOTHING
    },
    Operation {
        path: "/openapi.json",
        id: "openapi",
        summary: "This document.",
        answers: &[text("The document.", "application/json")],
        kind: Kind::Open,
        ..NOTHING
    },
    Operation {
        path: "/docs/errors/{code}",
        id: "errorPage",
        summary: "What a code means and what to do about it.",
        parameters: &[path("code", "The code.", "out_of_stock")],
        answers: &[text("The page.", "text/markdown")],
        kind: Kind::Open,
        codes: &["not_found"],
        ..NOTHING
    },
];
