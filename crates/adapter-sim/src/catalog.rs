//! The catalogue's database.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::catalog::Product;
use doos_domain::ids::ProductId;
use doos_ports::Result;
use doos_ports::catalog_store::{CatalogStore, PutError};
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

pub struct SimCatalogStore {
    world: Arc<World>,
}

impl SimCatalogStore {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

#[async_trait]
impl CatalogStore for SimCatalogStore {
    async fn all(&self) -> Result<Vec<Product>> {
        self.world.read(Part::Catalog, |durable| durable.products.values().cloned().collect()).await
    }

    async fn put(&self, expected_version: u32, product: Product, answer: Option<Answer>) -> Result<(), PutError> {
        let effect = |durable: &mut Durable| {
            let version = durable.products.get(&product.id).map_or(0, |stored| stored.version);
            if version != expected_version {
                return Err(PutError::Conflict(product.id));
            }
            // Ids chosen by whoever seeds a catalogue are never given out again.
            durable.product_ids_given = durable.product_ids_given.max(product.id.get());
            durable.products.insert(product.id, product);
            if let Some(answer) = answer {
                durable.answers.entry(answer.key.clone()).or_insert(answer);
            }
            Ok(())
        };
        self.world.write(Part::Catalog, effect).await?
    }

    async fn next_id(&self) -> Result<ProductId> {
        let effect = |durable: &mut Durable| {
            durable.product_ids_given += 1;
            ProductId::new(durable.product_ids_given).expect("a simulation ends long before the numbers do")
        };
        self.world.write(Part::Catalog, effect).await
    }
}
