//! The back office: finding orders, messages, dead letters, the books, the log of actions.

use super::{
    Kind, NOTHING, OPERATOR, ORDER_ID, Operation, PAGE_SIZE, PAGE_TOKEN, Parameter, json, path, query, text_with,
};

const LETTER_ID: Parameter = path("id", "The dead letter, percent-encoded.", "24017338028589056.1.DeductStock");

const LETTER: Operation = Operation {
    tag: OPERATOR,
    parameters: &[LETTER_ID],
    answers: &[json(200, "The letter.", "DeadLetter")],
    codes: &["not_found", "forbidden"],
    ..NOTHING
};

const LETTERS: Operation = Operation {
    method: "post",
    tag: OPERATOR,
    description: "Each letter by itself: one that is gone meanwhile stops no other, and its result says so.",
    body: Some("DeadLetterIds"),
    answers: &[json(200, "What became of each.", "SettledDeadLetterList")],
    kind: Kind::Settle,
    codes: &["forbidden"],
    ..NOTHING
};

pub(super) const OPERATIONS: &[Operation] = &[
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
        path: "/v1/admin/dead-letters:replay",
        id: "replayDeadLetters",
        summary: "Put many back in line in one call.",
        ..LETTERS
    },
    Operation {
        path: "/v1/admin/dead-letters:discard",
        id: "discardDeadLetters",
        summary: "Give many up for good in one call.",
        ..LETTERS
    },
    Operation {
        path: "/v1/admin/actions",
        id: "listActions",
        tag: OPERATOR,
        summary: "What the back office did, newest first: who, when, what, about what, in which trace, with what outcome.",
        description: "An action is written down before it is done, and again with its outcome. Moves of orders stand here \
            when an operator made them; who else moved an order stands in its history.",
        parameters: &[PAGE_SIZE, PAGE_TOKEN],
        answers: &[json(200, "The page.", "ActionList")],
        codes: &["forbidden", "invalid_page", "invalid_request"],
        ..NOTHING
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
        method: "post",
        path: "/v1/admin/projections:compare",
        id: "compareProjections",
        tag: OPERATOR,
        summary: "Compare statistics and search with the orders they are computed from.",
        description: "Reads every order once, so it takes its time; everything goes on meanwhile, and a change under \
            way is no difference. One comparison at a time: a second one is refused with `overloaded`.",
        answers: &[json(200, "What was found.", "ComparisonList")],
        kind: Kind::Settle,
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        path: "/v1/admin/audit",
        id: "audit",
        tag: OPERATOR,
        summary: "Proves the books from the durable data at one position.",
        answers: &[json(200, "The report; the books balance if there is no difference.", "AuditReport")],
        codes: &["forbidden"],
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/v1/admin/audit:repair",
        id: "repairBooks",
        tag: OPERATOR,
        summary: "Make the books balance, by entries in the ledger that say so.",
        description: "Without `confirm` it only tells what would be done. Repaired is what the ledger itself can prove: \
            stock that is not what its movements make it, and stock of a cancelled order that nothing will ever bring \
            back. Everything else stays in the report, for people. Traffic goes on; each product is held while its row \
            is put right.",
        body: Some("RepairBooks"),
        body_required: false,
        answers: &[json(200, "What was or would be done, and the report.", "AuditRepair")],
        kind: Kind::Settle,
        codes: &["forbidden"],
        ..NOTHING
    },
];
