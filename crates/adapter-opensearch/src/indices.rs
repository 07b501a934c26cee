//! What is made and removed at the engine: a template, an index for each epoch, and the alias that is searched.
//!
//! What holds: an index has an alias of its own to write to, so that a write to one that is gone makes no new one. The
//! searched alias moves in one step, and never back to an earlier epoch.

use serde_json::{Value, json};

use crate::http::{Client, Error, Fault};
use crate::options::Options;

/// Before templates that operators may have for everything.
const TEMPLATE_PRIORITY: u32 = 200;
/// In signs; longer than any word that is stored.
const TOKEN_LENGTH_MAX: u32 = 4_096;

/// The names of everything, and how an index is made.
pub(crate) struct Indices {
    prefix: String,
    template: Value,
}

impl Indices {
    pub fn new(options: &Options) -> Result<Self, Error> {
        let prefix = options.prefix.clone();
        let is_plain = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || "-_".contains(sign);
        if !prefix.starts_with(|sign: char| sign.is_ascii_lowercase()) || !prefix.chars().all(is_plain) {
            return Err(Error::Prefix(prefix));
        }
        let template = json!({
            "index_patterns": [format!("{prefix}-orders-*")],
            "priority": TEMPLATE_PRIORITY,
            "template": { "settings": { "index": settings(options) }, "mappings": mappings() },
        });
        Ok(Self { prefix, template })
    }

    /// The alias that is searched.
    pub fn searched(&self) -> String {
        format!("{}-orders", self.prefix)
    }

    pub fn index(&self, epoch: u64) -> String {
        format!("{}-orders-{epoch}", self.prefix)
    }

    /// The alias under which an epoch's index is written to.
    pub fn written(&self, epoch: u64) -> String {
        format!("{}-write-{epoch}", self.prefix)
    }

    /// The index of the standing.
    pub fn standing(&self) -> String {
        format!("{}-standing", self.prefix)
    }

    fn epoch_of(&self, index: &str) -> Option<u64> {
        index.strip_prefix(&self.prefix)?.strip_prefix("-orders-")?.parse().ok()
    }

    /// Makes the index of an epoch, unless it is there.
    pub async fn make(&self, client: &Client, epoch: u64) -> Result<(), Fault> {
        client.put(&format!("/_index_template/{}", self.searched()), &self.template).await?;
        let aliases = json!({ "aliases": { self.written(epoch): {} } });
        unless_there(client.put(&format!("/{}", self.index(epoch)), &aliases).await)
    }

    /// Makes the index of the standing, unless it is there.
    pub async fn make_standing(&self, client: &Client) -> Result<(), Fault> {
        let body = json!({
            "settings": { "index": { "number_of_shards": 1, "auto_expand_replicas": "0-1" } },
            "mappings": { "dynamic": false },
        });
        unless_there(client.put(&format!("/{}", self.standing()), &body).await)
    }

    pub async fn is_there(&self, client: &Client, epoch: u64) -> Result<bool, Fault> {
        match client.get(&format!("/{}/_settings?filter_path=*.settings.index.uuid", self.index(epoch))).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_status(404) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The epochs of the indices there are, and whether each is searched.
    pub async fn epochs(&self, client: &Client) -> Result<Vec<(u64, bool)>, Fault> {
        let pattern = format!("/{}-orders-*/_alias?expand_wildcards=all", self.prefix);
        let found = client.get(&pattern).await?;
        let indices = found.as_object().ok_or_else(|| Fault::Broken(format!("no list of indices: {found}")))?;
        let searched = self.searched();
        let epoch = |(name, index): (&String, &Value)| {
            let is_searched = index["aliases"].get(&searched).is_some();
            self.epoch_of(name).map(|epoch| (epoch, is_searched))
        };
        let mut epochs: Vec<(u64, bool)> = indices.iter().filter_map(epoch).collect();
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// Searches go to this epoch's index from now on. `false`: they go to a later one's already.
    pub async fn search_in(&self, client: &Client, epoch: u64) -> Result<bool, Fault> {
        let before: Vec<u64> =
            self.epochs(client).await?.into_iter().filter(|(_, is_searched)| *is_searched).map(|(it, _)| it).collect();
        if before == [epoch] {
            return Ok(true);
        }
        if before.iter().any(|searched| *searched > epoch) {
            return Ok(false);
        }
        client.post(&format!("/{}/_refresh", self.index(epoch)), &json!({})).await?;
        let searched = self.searched();
        let mut actions = vec![json!({ "add": { "index": self.index(epoch), "alias": searched } })];
        for old in before.iter().filter(|old| **old != epoch) {
            actions.push(json!({ "remove": { "index": self.index(*old), "alias": searched } }));
        }
        client.post("/_aliases", &json!({ "actions": actions })).await?;
        tracing::info!(index = self.index(epoch), "searches go to a new index");
        Ok(true)
    }

    /// How many orders an index holds, those written a moment ago included.
    pub async fn count(&self, client: &Client, index: &str) -> Result<u64, Fault> {
        client.post(&format!("/{index}/_refresh"), &json!({})).await?;
        let reply = client.get(&format!("/{index}/_count?filter_path=count")).await?;
        reply["count"].as_u64().ok_or_else(|| Fault::Broken(format!("no count: {reply}")))
    }

    /// Removes indices of earlier epochs that are not searched.
    pub async fn tidy_up(&self, client: &Client, epoch: u64) -> Result<(), Fault> {
        for (old, is_searched) in self.epochs(client).await? {
            if old < epoch && !is_searched {
                self.remove(client, &self.index(old)).await?;
            }
        }
        Ok(())
    }

    pub async fn remove(&self, client: &Client, index: &str) -> Result<(), Fault> {
        match client.delete(&format!("/{index}")).await {
            Err(fault) if !fault.is_status(404) => Err(fault),
            _ => Ok(()),
        }
    }

    /// Removes everything of this name.
    pub async fn forget(&self, client: &Client) -> Result<(), Fault> {
        for (epoch, _) in self.epochs(client).await? {
            self.remove(client, &self.index(epoch)).await?;
        }
        self.remove(client, &self.standing()).await?;
        match client.delete(&format!("/_index_template/{}", self.searched())).await {
            Err(fault) if !fault.is_status(404) => Err(fault),
            _ => Ok(()),
        }
    }
}

/// Somebody else may have made it first.
fn unless_there(made: Result<Value, Fault>) -> Result<(), Fault> {
    match made {
        Err(Fault::Refused { kind, .. }) if kind == "resource_already_exists_exception" => Ok(()),
        made => made.map(drop),
    }
}

fn settings(options: &Options) -> Value {
    let mut settings = json!({
        "number_of_shards": options.shards,
        "refresh_interval": format!("{}ms", options.refresh_interval_ms),
        "analysis": {
            "tokenizer": { "doos_words": { "type": "whitespace", "max_token_length": TOKEN_LENGTH_MAX } },
            "analyzer": { "doos_words": { "type": "custom", "tokenizer": "doos_words" } },
        },
    });
    match options.copies {
        Some(copies) => settings["number_of_replicas"] = json!(copies),
        None => settings["auto_expand_replicas"] = json!("0-1"),
    }
    settings
}

/// The documents themselves are not kept: what is shown is loaded from the orders.
fn mappings() -> Value {
    json!({
        "dynamic": "strict",
        "_source": { "enabled": false },
        "properties": {
            "id": { "type": "long" },
            "user_id": { "type": "long" },
            "status": { "type": "byte" },
            "products": { "type": "long" },
            "created_ms": { "type": "long" },
            "words": { "type": "text", "analyzer": "doos_words", "norms": false },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(prefix: &str) -> Result<Indices, Error> {
        Indices::new(&Options { prefix: prefix.to_owned(), ..Options::default() })
    }

    #[test]
    fn an_epoch_is_read_from_the_name_of_its_index_and_of_no_other() {
        let indices = indices("shop").unwrap();
        assert_eq!(indices.epoch_of(&indices.index(12)), Some(12));
        for other in ["shop-orders", "shop-orders-", "shop-orders-x", "shop-orders-b-orders-1", "shopping-orders-1"] {
            assert_eq!(indices.epoch_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_that_the_engine_would_not_take_is_refused() {
        for bad in ["", "Shop", "1shop", "-shop", "shop*", "shop,x", "a/b"] {
            assert!(indices(bad).is_err(), "{bad}");
        }
    }
}
