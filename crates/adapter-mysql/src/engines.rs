//! Opening the cluster's databases: addresses, settings, tables, the map of buckets, and the engines on top.
//!
//! What holds: nothing is served before every server's settings and every database's tables have been found right. What
//! is wrong is refused with its fix.

use doos_domain::statistics::Calendar;
use doos_domain::time::Timestamp;
use doos_ports::clock::Clock;
use std::sync::Arc;

use crate::actions::MySqlActionLog;
use crate::books::Books;
use crate::catalog::MySqlCatalogStore;
use crate::database::Database;
use crate::error::{Error, Fault};
use crate::gate_epochs::MySqlGateEpochs;
use crate::gates::{SqlGate, Way};
use crate::id_marks::MySqlIdMarks;
use crate::identities::MySqlIdentityStore;
use crate::inbox::MySqlInbox;
use crate::ledger::MySqlStockLedger;
use crate::migrate::{self, Schema, Standing};
use crate::options::Options;
use crate::orders::MySqlOrderStore;
use crate::outbox::{Limits, MySqlOutbox, Sources};
use crate::partitions;
use crate::payment_book::MySqlPaymentBook;
use crate::router::{Router, read_all};
use crate::settings;
use crate::shipments::MySqlShipmentStore;
use crate::statistics::MySqlStatistics;
use crate::topology::first_buckets;

/// The databases of one cluster, addressed and not yet looked at.
pub struct Databases {
    pub(crate) shards: Vec<Arc<Database>>,
    inventory: Arc<Database>,
    catalog: Arc<Database>,
    identity: Arc<Database>,
    payment: Arc<Database>,
    shipping: Arc<Database>,
    statistics: Arc<Database>,
    calendar: Calendar,
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Every port that lives in SQL databases.
#[derive(Clone)]
pub struct MySqlEngines {
    pub orders: Arc<MySqlOrderStore>,
    pub gate_epochs: Arc<MySqlGateEpochs>,
    pub outbox: Arc<MySqlOutbox>,
    pub inbox: Arc<MySqlInbox>,
    pub id_marks: Arc<MySqlIdMarks>,
    pub ledger: Arc<MySqlStockLedger>,
    pub actions: Arc<MySqlActionLog>,
    pub catalog: Arc<MySqlCatalogStore>,
    pub identities: Arc<MySqlIdentityStore>,
    pub payments: Arc<MySqlPaymentBook>,
    pub shipments: Arc<MySqlShipmentStore>,
    pub statistics: Arc<MySqlStatistics>,
    upkeep: Arc<Upkeep>,
}

struct Upkeep {
    shards: Vec<Arc<Database>>,
    answered_elsewhere: Vec<Arc<Database>>,
}

impl Databases {
    /// Reads the addresses; connects to nothing.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let addresses = &options.addresses;
        if addresses.shards.is_empty() {
            return Err(Error::NoShards);
        }
        let make = |option: &str, address: &str| Database::new(option, address, &options, Arc::clone(&clock));
        let mut shards = Vec::new();
        for (number, address) in addresses.shards.iter().enumerate() {
            shards.push(make(&format!("shards[{number}]"), address)?);
        }
        let databases = Self {
            shards,
            inventory: make("inventory", &addresses.inventory)?,
            catalog: make("catalog", &addresses.catalog)?,
            identity: make("identity", &addresses.identity)?,
            payment: make("payment", &addresses.payment)?,
            shipping: make("shipping", &addresses.shipping)?,
            statistics: make("statistics", &addresses.statistics)?,
            calendar: Calendar::try_new(options.utc_offset_minutes)?,
            options: options.clone(),
            clock,
        };
        databases.refuse_shared()?;
        Ok(databases)
    }

    fn all(&self) -> Vec<(Schema, &Arc<Database>)> {
        let shards = self.shards.iter().map(|shard| (Schema::Shard, shard));
        let others = [
            (Schema::Inventory, &self.inventory),
            (Schema::Catalog, &self.catalog),
            (Schema::Identity, &self.identity),
            (Schema::Payment, &self.payment),
            (Schema::Shipping, &self.shipping),
            (Schema::Statistics, &self.statistics),
        ];
        shards.chain(others).collect()
    }

    fn refuse_shared(&self) -> Result<(), Error> {
        let all = self.all();
        for (place, (_, one)) in all.iter().enumerate() {
            if let Some((_, other)) = all[..place].iter().find(|(_, other)| other.name == one.name) {
                return Err(Error::SharedDatabase { first: other.name.clone(), second: one.name.clone() });
            }
        }
        Ok(())
    }

    /// Where every database stands, and what [`migrate`](Self::migrate) would do.
    pub async fn standing(&self) -> Result<Vec<Standing>, Error> {
        let mut standing = Vec::new();
        for (schema, database) in self.all() {
            standing.push(migrate::standing(database, schema).await?);
        }
        Ok(standing)
    }

    /// Brings every database up to date, deals out the buckets of a new cluster, and makes the months ahead.
    pub async fn migrate(&self) -> Result<Vec<Standing>, Error> {
        let now = self.clock.now();
        let mut standing = Vec::new();
        for (schema, database) in self.all() {
            standing.push(migrate::up(database, schema, now).await?);
        }
        self.deal_buckets().await.map_err(|fault| self.failed(&fault))?;
        for shard in &self.shards {
            partitions::ensure(shard, now).await.map_err(|fault| self.failed(&fault))?;
        }
        Ok(standing)
    }

    /// A cluster without any bucket is a new one. A shard that joins later gets its buckets by moves.
    async fn deal_buckets(&self) -> Result<(), Fault> {
        let mut lock = self.shards[0].own_session().await?;
        if !migrate::lock(&mut lock, "doos_buckets").await? {
            return Err(Fault::Contended("somebody else is dealing out the buckets".to_owned()));
        }
        let rows = read_all(&self.shards).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let dealt: usize = rows.iter().map(Vec::len).sum();
        let first = |(shard, _): &(usize, &Vec<_>)| first_buckets(*shard, self.shards.len()).count();
        let expected: usize = rows.iter().enumerate().map(|row| first(&row)).sum();
        // Fewer than all: this program died while it was dealing, since nobody else makes or removes these rows.
        if dealt >= expected {
            return Ok(());
        }
        for (number, shard) in self.shards.iter().enumerate() {
            let values: Vec<String> =
                first_buckets(number, self.shards.len()).map(|bucket| format!("({bucket},1,0)")).collect();
            let sql = format!("INSERT IGNORE INTO t_bucket (bucket, epoch, state) VALUES {}", values.join(","));
            shard.write_text(&sql).await?;
        }
        Ok(())
    }

    /// Checks settings and tables and builds the engines.
    pub async fn open(&self) -> Result<MySqlEngines, Error> {
        for (_, database) in self.all() {
            settings::check_server(database, &self.options).await?;
        }
        if self.options.migrate {
            self.migrate().await?;
        }
        for standing in self.standing().await? {
            if !standing.pending.is_empty() {
                let missing = standing.pending.iter().map(|(version, _)| *version).collect();
                return Err(Error::SchemaTooOld { database: standing.database, missing });
            }
        }
        let router = Router::open(self.shards.clone()).await.map_err(|fault| self.failed(&fault))??;
        Ok(self.engines(&Arc::new(router)))
    }

    /// A stock gate in the inventory's database, once that is migrated.
    pub fn gate(&self, way: Way) -> SqlGate {
        SqlGate::new(Arc::clone(&self.inventory), way)
    }

    /// The log of actions alone, for whoever needs nothing else to be there.
    pub fn actions(&self) -> MySqlActionLog {
        MySqlActionLog::new(Arc::clone(&self.catalog))
    }

    /// For whoever proves the books.
    pub fn books(&self) -> Books {
        Books {
            shards: self.shards.clone(),
            inventory: Arc::clone(&self.inventory),
            payment: Arc::clone(&self.payment),
            shipping: Arc::clone(&self.shipping),
        }
    }

    fn engines(&self, router: &Arc<Router>) -> MySqlEngines {
        let sources = Sources {
            shards: self.shards.clone(),
            inventory: Arc::clone(&self.inventory),
            payment: Arc::clone(&self.payment),
            shipping: Arc::clone(&self.shipping),
        };
        let options = &self.options;
        let poll_after_ms = options.poll_after_ms;
        let limits = Limits {
            handed_over_max: options.handed_over_max,
            republish_after_ms: options.republish_after_ms,
            mark_after_ms: options.mark_after_ms,
            open_messages_max: options.open_messages_max,
        };
        let outbox = Arc::new(MySqlOutbox::new(sources, Arc::clone(router), limits));
        let answered_elsewhere = vec![Arc::clone(&self.inventory), Arc::clone(&self.catalog)];
        let orders = Arc::new(MySqlOrderStore::new(
            self.shards.clone(),
            options.writers_per_shard,
            Arc::clone(router),
            answered_elsewhere.clone(),
            Arc::clone(&outbox),
            poll_after_ms,
        ));
        let own = || Arc::clone(&outbox);
        MySqlEngines {
            inbox: Arc::new(MySqlInbox::new(own(), Arc::clone(&orders), poll_after_ms)),
            gate_epochs: Arc::new(MySqlGateEpochs::new(self.shards.clone(), Arc::clone(&orders))),
            id_marks: Arc::new(MySqlIdMarks::new(self.shards.clone())),
            ledger: Arc::new(MySqlStockLedger::new(Arc::clone(&self.inventory), own(), poll_after_ms)),
            actions: Arc::new(MySqlActionLog::new(Arc::clone(&self.catalog))),
            catalog: Arc::new(MySqlCatalogStore::new(Arc::clone(&self.catalog))),
            identities: Arc::new(MySqlIdentityStore::new(Arc::clone(&self.identity))),
            payments: Arc::new(MySqlPaymentBook::new(Arc::clone(&self.payment), own(), poll_after_ms)),
            shipments: Arc::new(MySqlShipmentStore::new(Arc::clone(&self.shipping), own(), poll_after_ms)),
            statistics: Arc::new(MySqlStatistics::new(Arc::clone(&self.statistics), self.calendar, options)),
            upkeep: Arc::new(Upkeep { shards: self.shards.clone(), answered_elsewhere }),
            orders,
            outbox,
        }
    }

    pub(crate) fn failed(&self, fault: &Fault) -> Error {
        let database = self.shards.iter().map(|shard| shard.name.as_str()).collect::<Vec<_>>().join(", ");
        Error::Database { database, cause: fault.to_string() }
    }
}

/// Days that the answer to a key is kept.
const ANSWER_DAYS: i64 = 7;
const ROWS_FORGOTTEN_AT_ONCE: u64 = 1_000;

impl MySqlEngines {
    /// Looks how much each shard has undone; to be called every second or so by whoever places orders.
    pub async fn count_backlogs(&self) -> Vec<u64> {
        self.outbox.count_backlogs().await
    }

    /// What must be done now and then, by whoever holds the lease for it: months ahead are made, answers of more than
    /// seven days and consumed messages of more than one are removed. May be run by several at once.
    pub async fn keep_up(&self, now: Timestamp) -> doos_ports::Result<()> {
        let engine = "the order store";
        for shard in &self.upkeep.shards {
            for partition in partitions::ensure(shard, now).await.map_err(|fault| fault.undone(engine))? {
                tracing::info!(shard = %shard.name, partition, "a month of orders was made ready");
            }
        }
        let before = now.plus_millis(-ANSWER_DAYS * 86_400_000).as_millis();
        let sql = format!("DELETE FROM t_answer WHERE created_at < {before} LIMIT {ROWS_FORGOTTEN_AT_ONCE}");
        for database in self.upkeep.shards.iter().chain(&self.upkeep.answered_elsewhere) {
            while database.write_text(&sql).await.map_err(|fault| fault.undone(engine))? >= ROWS_FORGOTTEN_AT_ONCE {}
        }
        self.outbox.forget_consumed(now).await.map(drop)
    }
}
