//! What is sold and what is there of it.

use super::{
    CATALOGUE, KEY, Kind, LANGUAGE, NOTHING, Operation, PAGE_SIZE, PAGE_TOKEN, PRODUCT_ID, STOCK, json, query,
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

pub(super) const OPERATIONS: &[Operation] = &[
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
        parameters: &[PRODUCT_ID, PAGE_SIZE, PAGE_TOKEN],
        answers: &[json(200, "The page, newest first.", "MovementList")],
        codes: &["forbidden", "not_found", "invalid_page", "invalid_request"],
        ..NOTHING
    },
];
