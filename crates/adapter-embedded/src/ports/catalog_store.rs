//! Products. One lock makes the compare-and-set true until the product is stored.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::catalog::Product;
use doos_domain::ids::ProductId;
use doos_ports::Result;
use doos_ports::catalog_store::{CatalogStore, PutError};
use std::sync::Arc;
use tokio::sync::Mutex;

use super::engine_error;
use crate::error::ENGINE;
use crate::shared::Shared;
use crate::table::{Key, Table};
use crate::unit::{Refused, Unit};

/// The highest product number ever given out, in the table of counters.
const PRODUCT_COUNTER: &str = "product";

pub(crate) struct Catalog {
    shared: Arc<Shared>,
    lock: Arc<Mutex<()>>,
}

impl Catalog {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), lock: Arc::default() }
    }

    fn products(&self) -> Result<Vec<Product>> {
        self.shared.check_running()?;
        Ok(self.shared.docs_of(Table::Product)?)
    }
}

#[async_trait]
impl CatalogStore for Catalog {
    async fn all(&self) -> Result<Vec<Product>> {
        let mut products = self.products()?;
        products.sort_by_key(|product| product.id);
        Ok(products)
    }

    async fn put(&self, expected_version: u32, product: Product, answer: Option<Answer>) -> Result<(), PutError> {
        let guard = Arc::clone(&self.lock).lock_owned().await;
        self.shared.check_running()?;
        let key = Key::number(product.id.get());
        let stored: Option<Product> = self.shared.doc(Table::Product, &key).map_err(doos_ports::Error::from)?;
        if stored.map_or(0, |stored| stored.version) != expected_version {
            return Err(PutError::Conflict(product.id));
        }
        let mut unit = Unit::default();
        unit.doc(Table::Product, 0, &key, &product);
        if let Some(answer) = answer {
            unit.answer(answer, 0);
        }
        unit.locks.push(guard);
        self.shared.submit_one(unit).await.map_err(|refused| match refused {
            // Whoever was first with this key has put a product of its own.
            Refused::Answered(_) => PutError::Conflict(product.id),
            refused => PutError::Engine(engine_error(refused)),
        })
    }

    async fn next_id(&self) -> Result<ProductId> {
        let guard = Arc::clone(&self.lock).lock_owned().await;
        let highest = self.products()?.iter().map(|product| product.id.get()).max().unwrap_or_default();
        let key = Key::text(PRODUCT_COUNTER);
        let given_out: u64 = self.shared.doc(Table::Counter, &key)?.unwrap_or_default();
        let next = highest.max(given_out) + 1;
        let id = ProductId::new(next).ok_or_else(|| doos_ports::Error::Broken {
            engine: ENGINE,
            cause: "there is no product number left above those in use".to_owned(),
        })?;
        let mut unit = Unit::default();
        unit.doc(Table::Counter, 0, &key, &next);
        unit.locks.push(guard);
        self.shared.submit_one(unit).await.map_err(engine_error)?;
        Ok(id)
    }
}
