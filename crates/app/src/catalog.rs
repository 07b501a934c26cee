//! Products: a local copy for pricing and reading, and the operator's changes to it.
//!
//! What holds: a price used in a quote was committed before; a change is a compare-and-set on the product's version.

use arc_swap::ArcSwap;
use doos_domain::action::Deed;
use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::ProductId;
use doos_domain::money::Money;
use doos_ports::catalog_store::{CatalogStore, PutError};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::actions::{Asked, Plan};
use crate::keys::{Arrival, Key};
use crate::{App, Error, Result};

pub type Products = BTreeMap<ProductId, Arc<Product>>;

pub struct Catalog {
    products: ArcSwap<Products>,
}

impl Catalog {
    pub async fn load(store: &dyn CatalogStore) -> Result<Self> {
        let all = store.all().await?;
        let products = all.into_iter().map(|product| (product.id, Arc::new(product))).collect();
        Ok(Self { products: ArcSwap::from_pointee(products) })
    }

    pub fn all(&self) -> Arc<Products> {
        self.products.load_full()
    }

    pub fn find(&self, id: ProductId) -> Option<Arc<Product>> {
        self.products.load().get(&id).cloned()
    }

    /// Keeps the newer of what is here and what has been committed.
    fn learn(&self, product: &Arc<Product>) {
        self.products.rcu(|products| {
            let mut products = Products::clone(products);
            let slot = products.entry(product.id).or_insert_with(|| Arc::clone(product));
            if slot.version < product.version {
                *slot = Arc::clone(product);
            }
            products
        });
    }
}

/// A product as an operator writes it; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub name: Option<LocalText>,
    pub description: Option<LocalText>,
    pub price: Option<Money>,
    pub category: Option<String>,
    pub picture: Option<String>,
    pub on_sale: Option<bool>,
}

impl Draft {
    /// What is written down of it: the fields it sets.
    fn plan(&self, deed: Deed, id: ProductId) -> Plan {
        let price = self.price.map(|price| format!("{price} {}", price.currency.code()));
        let plan = Plan::new(deed, id).with("name", self.name.as_ref().map(|name| name.in_language("en").to_owned()));
        let plan = plan.with("price", price).with("category", self.category.as_ref());
        let plan = plan.with("picture", self.picture.as_ref()).with("on_sale", self.on_sale);
        plan.with("description", self.description.as_ref().map(|_| "changed"))
    }
}

/// A product stored now, or the answer to the same call before.
pub enum Stored {
    Now(Arc<Product>),
    Before(doos_domain::answer::Answer),
}

pub struct Search<'a> {
    /// Words that must all appear in name, description or category.
    pub text: &'a str,
    pub category: Option<&'a str>,
    pub after: Option<ProductId>,
    pub limit: usize,
}

impl App {
    /// Learns what other processes have changed.
    pub async fn refresh_catalog(&self) -> Result<()> {
        for product in self.ports.catalog.all().await? {
            if self.catalog.find(product.id).is_none_or(|known| known.version < product.version) {
                self.catalog.learn(&Arc::new(product));
            }
        }
        Ok(())
    }

    pub fn products(&self, search: &Search<'_>) -> Vec<Arc<Product>> {
        let words: Vec<String> = search.text.split_whitespace().map(str::to_lowercase).collect();
        let products = self.catalog.all();
        let matches = |product: &&Arc<Product>| {
            let found = |word: &String| {
                product.name.contains_folded(word)
                    || product.description.contains_folded(word)
                    || product.category.to_lowercase().contains(word.as_str())
            };
            product.on_sale
                && search.category.is_none_or(|category| product.category == category)
                && words.iter().all(found)
        };
        let after = search.after.map_or(0, ProductId::get);
        let later = products.values().filter(|product| product.id.get() > after);
        later.filter(matches).take(search.limit).cloned().collect()
    }

    /// `render` makes the body of the answer to be stored under the key.
    pub async fn create_product(
        &self,
        asked: &Asked,
        draft: Draft,
        key: Option<Key>,
        render: fn(&Product) -> String,
    ) -> Result<Stored> {
        asked.by.check_operator()?;
        let (Some(name), Some(price)) = (draft.name.clone(), draft.price) else {
            return Err(Error::Invalid("a new product needs `name` and `price`".to_owned()));
        };
        let place = match self.arrive(key.as_ref()).await? {
            Arrival::Replay(answer) => return Ok(Stored::Before(answer)),
            Arrival::First(place) => place,
        };
        let id = self.ports.catalog.next_id().await?;
        let plan = draft.plan(Deed::CreateProduct, id);
        let product = Product {
            id,
            version: 1,
            name,
            description: draft.description.unwrap_or_default(),
            price,
            category: draft.category.unwrap_or_default(),
            picture: draft.picture,
            on_sale: draft.on_sale.unwrap_or(true),
            updated_at: self.ports.clock.now(),
        };
        let put = self.put_product(0, product, 201, key.as_ref(), render);
        let stored = self.recorded(asked, plan, put).await;
        drop(place);
        stored
    }

    pub async fn update_product(
        &self,
        asked: &Asked,
        id: ProductId,
        draft: Draft,
        key: Option<Key>,
        render: fn(&Product) -> String,
    ) -> Result<Stored> {
        asked.by.check_operator()?;
        let place = match self.arrive(key.as_ref()).await? {
            Arrival::Replay(answer) => return Ok(Stored::Before(answer)),
            Arrival::First(place) => place,
        };
        let current = self.catalog.find(id).ok_or(Error::NotFound("product"))?;
        let plan = draft.plan(Deed::ChangeProduct, id);
        let mut product = Product::clone(&current);
        product.version += 1;
        product.updated_at = self.ports.clock.now();
        product.name = draft.name.unwrap_or(product.name);
        product.description = draft.description.unwrap_or(product.description);
        product.price = draft.price.unwrap_or(product.price);
        product.category = draft.category.unwrap_or(product.category);
        product.picture = draft.picture.or(product.picture);
        product.on_sale = draft.on_sale.unwrap_or(product.on_sale);
        let put = self.put_product(current.version, product, 200, key.as_ref(), render);
        let stored = self.recorded(asked, plan, put).await;
        drop(place);
        stored
    }

    /// Puts a product under a given id, for seeding; a product that is there already is left alone.
    pub async fn seed_product(&self, product: Product) -> Result<bool> {
        if self.catalog.find(product.id).is_some() {
            return Ok(false);
        }
        self.put_product(0, product, 201, None, |_| String::new()).await?;
        Ok(true)
    }

    async fn put_product(
        &self,
        expected_version: u32,
        product: Product,
        status: u16,
        key: Option<&Key>,
        render: fn(&Product) -> String,
    ) -> Result<Stored> {
        product.validate()?;
        let answer = key.map(|key| key.answer(status, render(&product), product.updated_at));
        match self.ports.catalog.put(expected_version, product.clone(), answer).await {
            Ok(()) => {
                let product = Arc::new(product);
                self.catalog.learn(&product);
                Ok(Stored::Now(product))
            }
            Err(PutError::Conflict(id)) => Err(Error::ProductConflict(id)),
            Err(PutError::Engine(error)) => Err(error.into()),
        }
    }
}
