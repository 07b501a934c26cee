//! The demo catalogue: put into an empty store at first start, so that the first order can follow at once.
//!
//! What holds: it may be interrupted anywhere and run again; a product that is there is left alone, and its first
//! delivery is booked once, under a reference of its own.

use anyhow::{Context, Result};
use doos_app::stock::Adjustment;
use doos_app::{App, Principal};
use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::ProductId;
use doos_domain::money::{Currency, Money};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct DemoProduct {
    product_id: u64,
    name: BTreeMap<String, String>,
    description: BTreeMap<String, String>,
    price_minor: i64,
    currency: String,
    stock: u32,
    category: String,
    picture: String,
}

/// Returns how many products were added.
pub async fn seed(app: &App, catalogue: &str) -> Result<usize> {
    let products: Vec<DemoProduct> = serde_json::from_str(catalogue).context("the demo catalogue")?;
    let mut added = 0;
    for demo in products {
        let stock = demo.stock;
        let product = product(demo, app)?;
        let id = product.id;
        added += usize::from(app.seed_product(product).await?);
        receive_once(app, id, stock).await?;
    }
    Ok(added)
}

fn product(demo: DemoProduct, app: &App) -> Result<Product> {
    Ok(Product {
        id: ProductId::new(demo.product_id).context("a product id of the demo catalogue")?,
        version: 1,
        name: local_text(demo.name),
        description: local_text(demo.description),
        price: Money::new(demo.price_minor, Currency::from_code(&demo.currency).context("an unknown currency")?),
        category: demo.category,
        picture: Some(demo.picture),
        on_sale: true,
        updated_at: app.ports.clock.now(),
    })
}

fn local_text(texts: BTreeMap<String, String>) -> LocalText {
    texts.into_iter().fold(LocalText::default(), |text, (language, words)| text.with(&language, words))
}

async fn receive_once(app: &App, id: ProductId, quantity: u32) -> Result<()> {
    let reference = format!("seed-{id}");
    if quantity == 0 || !app.ports.ledger.movements_of(&reference).await?.is_empty() {
        return Ok(());
    }
    let seeder = Principal::Service("seed".to_owned());
    let received = Adjustment::Receive { quantity };
    app.adjust_stock(&seeder.into(), id, received, Some(reference), None, |_, _| String::new()).await?;
    Ok(())
}
