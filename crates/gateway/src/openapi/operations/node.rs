//! The node itself: whether it lives, what it counts, its documents.

use super::{Kind, NOTHING, Operation, json, path, text};

pub(super) const OPERATIONS: &[Operation] = &[
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
