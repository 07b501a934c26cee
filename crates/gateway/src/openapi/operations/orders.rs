//! Orders: placing, reading, moving and watching them.

use super::{
    Answer, KEY, Kind, LIVE, NOTHING, ORDER_ID, ORDERS, Operation, PAGE_SIZE, PAGE_TOKEN, Parameter, json, query, text,
};

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

pub(super) const OPERATIONS: &[Operation] = &[
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
];
