//! Products: what is sold, at which price.
//!
//! A product's price here is the only price there is; what a client sends is compared with it, never believed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::ids::ProductId;
use crate::money::Money;
use crate::time::Timestamp;

pub const NAME_CHARS_MAX: usize = 200;
pub const DESCRIPTION_CHARS_MAX: usize = 4_000;

/// A text in the languages it was written in; `en` stands in for a language that is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalText(BTreeMap<String, String>);

impl LocalText {
    pub fn plain(text: impl Into<String>) -> Self {
        Self(BTreeMap::from([("en".to_owned(), text.into())]))
    }

    #[must_use]
    pub fn with(mut self, language: &str, text: impl Into<String>) -> Self {
        self.0.insert(language.to_owned(), text.into());
        self
    }

    pub fn in_language(&self, language: &str) -> &str {
        let text = self.0.get(language).or_else(|| self.0.get("en")).or_else(|| self.0.values().next());
        text.map_or("", String::as_str)
    }

    pub fn contains_folded(&self, folded: &str) -> bool {
        self.0.values().any(|text| text.to_lowercase().contains(folded))
    }

    fn longest_chars(&self) -> usize {
        self.0.values().map(|text| text.chars().count()).max().unwrap_or(0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub id: ProductId,
    pub version: u32,
    pub name: LocalText,
    #[serde(default)]
    pub description: LocalText,
    pub price: Money,
    #[serde(default)]
    pub category: String,
    /// Path or address of its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// A product no longer on sale stays readable; it cannot be ordered.
    pub on_sale: bool,
    pub updated_at: Timestamp,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    #[error("a product needs a name of 1 to {NAME_CHARS_MAX} characters")]
    Name,
    #[error("a description has at most {DESCRIPTION_CHARS_MAX} characters")]
    Description,
    #[error("a price lies between 0 and 1,000,000,000,000 minor units")]
    Price,
}

impl Product {
    pub fn validate(&self) -> Result<(), Invalid> {
        let named = !self.name.in_language("en").trim().is_empty();
        if !named || self.name.longest_chars() > NAME_CHARS_MAX {
            return Err(Invalid::Name);
        }
        if self.description.longest_chars() > DESCRIPTION_CHARS_MAX {
            return Err(Invalid::Description);
        }
        if !(0..=1_000_000_000_000).contains(&self.price.amount_minor) {
            return Err(Invalid::Price);
        }
        Ok(())
    }
}
