//! Products in the catalogue's own database.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::catalog::Product;
use doos_domain::ids::ProductId;
use doos_ports::Result;
use doos_ports::catalog_store::{CatalogStore, PutError};
use std::sync::Arc;

use crate::database::Database;
use crate::error::Fault;
use crate::orders::first_answer_in;
use crate::rows::{bucket_of_scope, json, parse};
use crate::session::decode;

const ENGINE: &str = "the catalogue";

pub struct MySqlCatalogStore {
    database: Arc<Database>,
}

impl MySqlCatalogStore {
    pub(crate) const fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    async fn try_put(&self, expected: u32, product: &Product, answer: Option<&Answer>) -> Result<bool, Fault> {
        let mut session = self.database.begin().await?;
        // The counter's row is everybody's lock here: products change rarely, and a new one has no row of its own.
        let sql = "SELECT last_given FROM t_product_number WHERE one = 1 FOR UPDATE";
        session.text(sql).await?;
        let sql = format!("SELECT version FROM t_product WHERE id = {} FOR UPDATE", product.id);
        let versions: Vec<(u32,)> = decode("t_product", session.text(&sql).await?)?;
        if versions.first().map_or(0, |(version,)| *version) != expected {
            session.rollback().await?;
            return Ok(false);
        }
        let sql = "INSERT INTO t_product (id, version, document) VALUES (?,?,?) \
                   ON DUPLICATE KEY UPDATE version = VALUES(version), document = VALUES(document)";
        let row = vec![product.id.get().into(), u64::from(product.version).into(), json(product).into()];
        session.exec(sql, row).await?;
        // Ids chosen by whoever seeds a catalogue are never given out again.
        let sql = "UPDATE t_product_number SET last_given = GREATEST(last_given, ?) WHERE one = 1";
        session.exec(sql, vec![product.id.get().into()]).await?;
        if let Some(answer) = answer {
            first_answer_in(&mut session, answer, bucket_of_scope(&answer.key.scope)).await?;
        }
        session.commit().await?;
        Ok(true)
    }

    async fn take_id(&self) -> Result<u64, Fault> {
        let mut session = self.database.begin().await?;
        session.text("UPDATE t_product_number SET last_given = last_given + 1 WHERE one = 1").await?;
        let sql = "SELECT last_given FROM t_product_number WHERE one = 1";
        let given: Vec<(u64,)> = decode("t_product_number", session.text(sql).await?)?;
        session.commit().await?;
        given.first().map(|(given,)| *given).ok_or_else(|| Fault::row("t_product_number", "it is empty"))
    }
}

#[async_trait]
impl CatalogStore for MySqlCatalogStore {
    async fn all(&self) -> Result<Vec<Product>> {
        let sql = "SELECT document FROM t_product ORDER BY id";
        let rows = self.database.read_text::<(Vec<u8>,)>("t_product", sql).await;
        let products = rows.and_then(|rows| rows.iter().map(|(json,)| parse("t_product", json)).collect());
        products.map_err(|fault| fault.undone(ENGINE))
    }

    async fn put(&self, expected_version: u32, product: Product, answer: Option<Answer>) -> Result<(), PutError> {
        match self.try_put(expected_version, &product, answer.as_ref()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PutError::Conflict(product.id)),
            Err(fault) => Err(fault.unknown(ENGINE).into()),
        }
    }

    async fn next_id(&self) -> Result<ProductId> {
        // A number lost with its reply is a gap, nothing more.
        let given = self.take_id().await.map_err(|fault| fault.undone(ENGINE))?;
        ProductId::new(given)
            .ok_or_else(|| doos_ports::Error::Broken { engine: ENGINE, cause: "the numbers are used up".to_owned() })
    }
}
