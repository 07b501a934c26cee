//! Filling the gate anew: everything is written beside it and put in its place at one instant.
//!
//! What holds: until that instant the gate answers as before (or refuses, if it had lost its memory); what was written
//! beside it for a rebuild that died goes by itself after a while. If the server is replaced meanwhile, or a later
//! epoch's rebuild has come first, nothing is put in place.

use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::StockRow;
use doos_ports::Result;
use doos_ports::stock_gate::Hold;
use std::collections::BTreeMap;

use super::{CHUNK, ENGINE, RedisGate, text};
use crate::link::Failure;

/// A rebuild that takes longer has died; what it wrote goes then.
const MADE_FOR_MS: u64 = 600_000;

/// Fields of one key, as pairs for the command that writes them.
type Fields = Vec<(String, String)>;

impl RedisGate {
    /// As the port's `rebuild`, under an epoch of the caller's: one that is older than the gate's is refused, which
    /// keeps out an owner that has lost its lease. Returns the epoch that holds are given under from now on.
    pub async fn rebuild_at(&self, epoch: u64, rows: Vec<StockRow>, holds: Vec<Hold>) -> Result<u64> {
        self.replace(Some(epoch), rows, holds).await.map_err(|failure| failure.at(ENGINE))
    }

    /// The epoch of the last rebuild that is known here; 0 without one.
    pub async fn marked_epoch(&self) -> Result<u64> {
        self.look().await.map(|(epoch, ..)| epoch).map_err(|failure| failure.undone(ENGINE))
    }

    /// The epoch of the last rebuild, the history it was made in, and the history that the server has now.
    pub(super) async fn look(&self) -> Result<(u64, Option<String>, String), Failure> {
        let told = self.link.script(&self.scripts.look, &self.places.fixed, &[]).await?;
        let told: Vec<Option<String>> = told;
        let [marker, Some(history)] = told.as_slice() else {
            return Err(Failure::Broken(format!("the server tells no history: {told:?}")));
        };
        let marked = marker.as_deref().and_then(|marker| marker.split_once(' '));
        let epoch = marked.and_then(|(epoch, _)| epoch.parse().ok()).unwrap_or(0);
        Ok((epoch, marked.map(|(_, history)| history.to_owned()), history.clone()))
    }

    pub(super) async fn replace(
        &self,
        epoch: Option<u64>,
        rows: Vec<StockRow>,
        holds: Vec<Hold>,
    ) -> Result<u64, Failure> {
        let (_, _, history) = self.look().await?;
        let clock = self.link.clock();
        let token = format!("{}{:x}-{:x}:", self.places.made, clock.random(), clock.monotonic().as_nanos());
        let made: Vec<String> =
            ["rows", "undecided", "holds", "deadlines", "keys"].iter().map(|name| format!("{token}{name}")).collect();
        let contents = contents(rows, holds);
        let mut args = vec![epoch.map(|epoch| epoch.to_string()).unwrap_or_default(), history];
        for (key, fields) in made.iter().zip(&contents) {
            let command = if key.ends_with("deadlines") { "ZADD" } else { "HSET" };
            self.write(command, key, fields).await?;
            args.push(fields.len().to_string());
        }
        let said: String = self.link.script(&self.scripts.switch, &self.places.with(made), &args).await?;
        let epoch = said.parse().map_err(|_| Failure::Broken(format!("`{said}` is no epoch")))?;
        tracing::info!(epoch, rows = contents[0].len(), holds = contents[2].len(), "the redis gate was rebuilt");
        Ok(epoch)
    }

    async fn write(&self, command: &str, key: &str, fields: &Fields) -> Result<(), Failure> {
        for chunk in fields.chunks(CHUNK) {
            let mut write = redis::cmd(command);
            write.arg(key);
            for (first, second) in chunk {
                write.arg(first).arg(second);
            }
            self.link.command::<()>(&write).await?;
            self.link.command::<()>(redis::cmd("PEXPIRE").arg(key).arg(MADE_FOR_MS)).await?;
        }
        Ok(())
    }
}

/// Rows, undecided sums, holds, deadlines and answer keys. Of a product's rows the newest counts, of an order's holds
/// the last.
fn contents(rows: Vec<StockRow>, holds: Vec<Hold>) -> [Fields; 5] {
    let mut newest: BTreeMap<ProductId, StockRow> = BTreeMap::new();
    for row in rows {
        let is_old = newest.get(&row.product_id).is_some_and(|known| known.version >= row.version);
        if !is_old {
            newest.insert(row.product_id, row);
        }
    }
    let holds: BTreeMap<OrderId, Hold> = holds.into_iter().map(|hold| (hold.order_id, hold)).collect();
    let mut undecided: BTreeMap<ProductId, i64> = BTreeMap::new();
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for hold in holds.values() {
        for (product, qty) in text::merged(&hold.lines) {
            *undecided.entry(product).or_default() += qty;
        }
        if let Some(key) = &hold.key {
            keys.insert(text::key(key), text::order(hold.order_id));
        }
    }
    [
        newest.values().map(|row| (row.product_id.to_string(), text::row(row))).collect(),
        undecided.iter().map(|(product, qty)| (product.to_string(), qty.to_string())).collect(),
        holds.values().map(|hold| (text::order(hold.order_id), text::hold(hold))).collect(),
        // A score comes before its member.
        holds.values().map(|hold| (text::deadline(hold.deadline), text::order(hold.order_id))).collect(),
        keys.into_iter().collect(),
    ]
}
