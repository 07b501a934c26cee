//! Products and their stock as clients see them.

use doos_domain::catalog::Product;
use doos_domain::ids::ProductId;
use doos_domain::stock::Movement;
use doos_ports::stock_gate::Level;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Amount, rfc3339, to_json};

/// A product in the reader's language.
#[derive(Serialize, ToSchema)]
#[schema(as = Product)]
pub struct ProductView {
    #[schema(example = "101")]
    pub product_id: String,
    pub name: String,
    pub description: String,
    pub price: Amount,
    pub category: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    pub on_sale: bool,
    pub version: u32,
    #[schema(format = DateTime)]
    pub updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockView>,
}

/// A page of products.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductList)]
pub struct ProductListView {
    pub products: Vec<ProductView>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// One product's stock at one instant: received − written off = free + held + sold.
#[derive(Serialize, ToSchema)]
#[schema(as = Stock)]
pub struct StockView {
    pub product_id: String,
    pub received: i64,
    pub written_off: i64,
    /// Free and held.
    pub on_hand: i64,
    pub free: i64,
    /// Promised to orders that inventory has not decided about.
    pub held: i64,
    pub sold: i64,
}

/// What has moved a product's stock, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = MovementList)]
pub struct MovementListView {
    pub movements: Vec<MovementView>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// One entry of the stock ledger.
#[derive(Serialize, ToSchema)]
#[schema(as = Movement)]
pub struct MovementView {
    pub product_id: String,
    /// The order, the return or the delivery it belongs to.
    pub reference: String,
    /// `receive`, `write_off`, `deduct`, `release`, `return` or `repair`.
    #[schema(example = "receive")]
    pub kind: &'static str,
    pub quantity: i64,
    pub actor: String,
    #[schema(format = DateTime)]
    pub at: String,
}

impl ProductView {
    pub fn of(product: &Product, language: &str, level: Option<&Level>) -> Self {
        Self {
            product_id: product.id.to_string(),
            name: product.name.in_language(language).to_owned(),
            description: product.description.in_language(language).to_owned(),
            price: product.price.into(),
            category: product.category.clone(),
            picture: product.picture.clone(),
            on_sale: product.on_sale,
            version: product.version,
            updated_at: rfc3339(product.updated_at),
            stock: level.map(|level| StockView::of(product.id, level)),
        }
    }
}

impl StockView {
    pub fn of(product_id: ProductId, level: &Level) -> Self {
        Self {
            product_id: product_id.to_string(),
            received: level.received,
            written_off: level.written_off,
            on_hand: level.on_hand(),
            free: level.free,
            held: level.held,
            sold: level.sold,
        }
    }
}

impl MovementView {
    pub fn of(movement: &Movement) -> Self {
        Self {
            product_id: movement.product_id.to_string(),
            reference: movement.reference.clone(),
            kind: movement.kind.name(),
            quantity: movement.qty,
            actor: movement.actor.clone(),
            at: rfc3339(movement.at),
        }
    }
}

/// The stored form of an operator's answer: in the language every text has.
pub fn render(product: &Product) -> String {
    to_json(&ProductView::of(product, "en", None))
}

pub fn render_stock(product_id: ProductId, level: &Level) -> String {
    to_json(&StockView::of(product_id, level))
}
