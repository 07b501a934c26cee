//! Sums over all orders.

use super::{LANGUAGE, NOTHING, Operation, STATISTICS, json, query};

pub(super) const OPERATIONS: &[Operation] = &[
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
];
