//! The schemas of the document: answers from the types that are sent, requests as the strict reader takes them.

use serde_json::{Map, Value, json};
use utoipa::openapi::ComponentsBuilder;

use crate::view::Amount;
use crate::view::actions::{ActionListView, ActionView};
use crate::view::audit::{AuditView, DifferenceView, RepairStepView, RepairView, StepOutcome};
use crate::view::comparison::{ComparisonListView, ComparisonView};
use crate::view::operations::{
    DeadLetterListView, DeadLetterView, HealthView, MessageListView, MessageView, SettledLetterListView,
    SettledLetterView,
};
use crate::view::order::{HistoryView, ItemView, MoveView, OrderListView, OrderView, PaymentView};
use crate::view::product::{MovementListView, MovementView, ProductListView, ProductView, StockView};
use crate::view::session::MeView;
use crate::view::statistics::{
    BucketView, CurrencySalesView, DayView, FiguresView, FunnelView, NowView, ProjectionView, SalesView,
    StockAlarmView, StockAlarmsView, SummaryView, TopProductView, TopProductsView,
};
use crate::view::system::{DiskView, FailureView, QueueView, ReadingView, RoleView, SystemView};

pub fn all() -> Map<String, Value> {
    let answers = ComponentsBuilder::new()
        .schema_from::<Amount>()
        .schema_from::<OrderView>()
        .schema_from::<ItemView>()
        .schema_from::<MoveView>()
        .schema_from::<PaymentView>()
        .schema_from::<OrderListView>()
        .schema_from::<HistoryView>()
        .schema_from::<ProductView>()
        .schema_from::<ProductListView>()
        .schema_from::<StockView>()
        .schema_from::<MovementView>()
        .schema_from::<MovementListView>()
        .schema_from::<MessageView>()
        .schema_from::<MessageListView>()
        .schema_from::<DeadLetterView>()
        .schema_from::<DeadLetterListView>()
        .schema_from::<SettledLetterView>()
        .schema_from::<SettledLetterListView>()
        .schema_from::<ActionView>()
        .schema_from::<ActionListView>()
        .schema_from::<AuditView>()
        .schema_from::<DifferenceView>()
        .schema_from::<RepairView>()
        .schema_from::<RepairStepView>()
        .schema_from::<StepOutcome>()
        .schema_from::<ComparisonListView>()
        .schema_from::<ComparisonView>()
        .schema_from::<HealthView>()
        .schema_from::<FiguresView>()
        .schema_from::<BucketView>()
        .schema_from::<CurrencySalesView>()
        .schema_from::<SalesView>()
        .schema_from::<TopProductView>()
        .schema_from::<TopProductsView>()
        .schema_from::<FunnelView>()
        .schema_from::<DayView>()
        .schema_from::<SummaryView>()
        .schema_from::<NowView>()
        .schema_from::<ProjectionView>()
        .schema_from::<StockAlarmView>()
        .schema_from::<StockAlarmsView>()
        .schema_from::<SystemView>()
        .schema_from::<RoleView>()
        .schema_from::<FailureView>()
        .schema_from::<QueueView>()
        .schema_from::<DiskView>()
        .schema_from::<ReadingView>()
        .schema_from::<MeView>()
        .build();
    let mut schemas: Map<String, Value> = answers
        .schemas
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).expect("a schema always serialises")))
        .collect();
    for (name, schema) in requests() {
        schemas.insert(name.to_owned(), schema);
    }
    schemas
}

fn id(description: &str, example: &str) -> Value {
    json!({ "type": ["string", "integer"], "description": description, "example": example })
}

fn requests() -> [(&'static str, Value); 12] {
    let quantity = |description: &str| json!({ "type": "integer", "minimum": 1, "maximum": 100_000, "description": description, "example": 2 });
    [
        (
            "PlaceOrder",
            strict(
                &["items"],
                json!({
                    "user_id": id("A number, or a log-in name. A customer's token may leave it out.", "42"),
                    "items": {
                        "type": "array", "minItems": 1, "maxItems": 100,
                        "items": { "$ref": "#/components/schemas/PlaceOrderItem" },
                    },
                    "address": { "type": "string", "maxLength": 1_000 },
                    "coupon": { "type": "string" },
                }),
            ),
        ),
        (
            "PlaceOrderItem",
            strict(
                &["product_id", "quantity"],
                json!({
                    "product_id": id("The product.", "101"),
                    "quantity": quantity("Pieces."),
                    "count": quantity("Another word for `quantity`; one of the two is enough."),
                    "price": {
                        "type": ["string", "number"],
                        "description": "The unit price you have seen, as an exact decimal. Compared with the catalogue's, never used.",
                    },
                }),
            ),
        ),
        (
            "ShipOrder",
            strict(
                &[],
                json!({
                    "tracking": { "type": "string", "minLength": 1, "maxLength": 100, "description": "The carrier's number." },
                }),
            ),
        ),
        ("NewProduct", strict(&["name", "price"], product_fields())),
        ("ProductChange", strict(&[], product_fields())),
        (
            "StockChange",
            strict(
                &["quantity"],
                json!({
                    "quantity": { "type": "integer", "minimum": 1, "maximum": 1_000_000_000, "example": 100 },
                    "reference": {
                        "type": "string", "minLength": 1, "maxLength": 100,
                        "description": "Names the delivery or the loss in the ledger.",
                    },
                }),
            ),
        ),
        (
            "DeadLetterIds",
            strict(
                &["ids"],
                json!({
                    "ids": { "type": "array", "minItems": 1, "maxItems": 100, "items": { "type": "string" } },
                }),
            ),
        ),
        (
            "RepairBooks",
            strict(
                &[],
                json!({
                    "confirm": { "type": "boolean", "description": "False or absent: a dry run." },
                }),
            ),
        ),
        (
            "PaymentCallback",
            strict(
                &["order_id", "attempt_id", "amount_minor", "currency", "event"],
                json!({
                    "order_id": id("The order.", "24017338028589056"),
                    "attempt_id": { "type": "string", "example": "pay_24017338028589056_1" },
                    "amount_minor": { "type": "integer", "minimum": 0, "example": 19_998 },
                    "currency": { "type": "string", "example": "CNY" },
                    "event": { "type": "string", "enum": ["captured", "closed", "refunded"] },
                    "refund_id": { "type": "string", "description": "Needed for `refunded`." },
                    "provider_reference": { "type": "string", "maxLength": 200 },
                }),
            ),
        ),
        (
            "LogIn",
            strict(
                &[],
                json!({
                    "token": { "type": "string", "description": "A bearer token." },
                    "user": { "type": "string", "description": "Profile dev, same machine: a customer's number or log-in name.", "example": "user_123" },
                    "operator": { "type": "string", "description": "Profile dev, same machine: an operator's name.", "example": "amy" },
                }),
            ),
        ),
        (
            "CallbackTaken",
            json!({
                "type": "object",
                "required": ["accepted", "news"],
                "properties": {
                    "accepted": { "type": "boolean" },
                    "news": { "type": "boolean", "description": "False for a repeat, which changed nothing." },
                },
            }),
        ),
        (
            "Problem",
            json!({
                "type": "object",
                "description": "RFC 9457 problem details.",
                "required": ["type", "title", "status", "code", "detail", "instance", "trace_id"],
                "properties": {
                    "type": { "type": "string", "description": "The code's page.", "example": "/docs/errors/out_of_stock" },
                    "title": { "type": "string", "example": "Not enough stock" },
                    "status": { "type": "integer", "example": 409 },
                    "code": { "type": "string", "description": "Stable; branch on this.", "example": "out_of_stock" },
                    "detail": { "type": "string", "description": "For people; may change." },
                    "instance": { "type": "string", "example": "/v1/orders" },
                    "trace_id": { "type": "string", "example": "4bf92f3577b34da6a3ce929d0e0e4736" },
                    "errors": {
                        "type": "array",
                        "description": "The places of the body that are wrong.",
                        "items": {
                            "type": "object",
                            "required": ["pointer", "detail"],
                            "properties": {
                                "pointer": { "type": "string", "example": "#/items/0/quantity" },
                                "detail": { "type": "string" },
                            },
                        },
                    },
                    "lines": {
                        "type": "array",
                        "description": "With `out_of_stock`: the products that are short.",
                        "items": {
                            "type": "object",
                            "required": ["product_id", "wanted", "free"],
                            "properties": {
                                "product_id": { "type": "string" },
                                "wanted": { "type": "integer" },
                                "free": { "type": "integer" },
                            },
                        },
                    },
                },
            }),
        ),
    ]
}

fn product_fields() -> Value {
    let text = json!({
        "description": "One text for all languages, or an object with one for each.",
        "oneOf": [{ "type": "string" }, { "type": "object", "additionalProperties": { "type": "string" } }],
        "example": { "en": "Celadon gaiwan", "zh": "青瓷盖碗" },
    });
    json!({
        "name": text,
        "description": text,
        "price": { "$ref": "#/components/schemas/Amount" },
        "category": { "type": "string", "maxLength": 200 },
        "picture": { "type": "string", "maxLength": 200 },
        "on_sale": { "type": "boolean" },
    })
}

/// The reader refuses unknown fields, and the schema says so.
fn strict(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}
