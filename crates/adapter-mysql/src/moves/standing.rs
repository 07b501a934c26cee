//! A shard that joins, and what every shard has.

use serde::Serialize;

use super::mover::failed;
use super::record::{self, BucketMove};
use super::switch::carry_marks;
use crate::engines::Databases;
use crate::error::Error;
use crate::migrate::{self, Schema};
use crate::partitions;
use crate::settings;
use crate::topology::{CLOSED, COMING, LEAVING, OPEN, READY};

/// What one shard has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShardStanding {
    pub shard: usize,
    pub database: String,
    /// Whether it has its tables; if not, it is to be added.
    pub joined: bool,
    /// Buckets that it serves, those on their way out included.
    pub buckets: usize,
    /// Buckets being copied from here, and to here.
    pub leaving: usize,
    pub coming: usize,
    /// As the server estimates it.
    pub orders_about: u64,
    /// Of those that are put away, too.
    pub archived_about: u64,
    pub open_messages: u64,
    /// Moves from here that are not done.
    pub moves: Vec<BucketMove>,
}

impl Databases {
    /// Makes a configured shard ready to take buckets: its server is checked, its tables and months are made, and the
    /// marks of ids are brought there. It has no buckets until some are moved. May be repeated.
    pub async fn add_shard(&self, number: usize) -> Result<ShardStanding, Error> {
        let count = self.shards.len();
        let added = self.shards.get(number).ok_or_else(|| {
            Error::Move(format!("there is no shard {number} in database.shards, which has 0 to {}", count - 1))
        })?;
        let now = self.clock.now();
        added.make().await.map_err(|fault| failed(added, &fault))?;
        settings::check_server(added, &self.options).await?;
        migrate::up(added, Schema::Shard, now).await?;
        partitions::ensure(added, now).await.map_err(|fault| failed(added, &fault))?;
        for shard in self.shards.iter().filter(|shard| shard.name != added.name) {
            let sql = "SELECT worker, epoch, mark FROM t_id_mark";
            let marks: Vec<(u64, u64, i64)> =
                shard.read_text("t_id_mark", sql).await.map_err(|fault| failed(shard, &fault))?;
            let mut session = added.begin().await.map_err(|fault| failed(added, &fault))?;
            carry_marks(&mut session, &marks).await.map_err(|fault| failed(added, &fault))?;
            session.commit().await.map_err(|fault| failed(added, &fault))?;
        }
        self.standing_of(number).await
    }

    /// What every shard has, and the moves that are open.
    pub async fn shards(&self) -> Result<Vec<ShardStanding>, Error> {
        let mut standing = Vec::with_capacity(self.shards.len());
        for number in 0..self.shards.len() {
            standing.push(self.standing_of(number).await?);
        }
        Ok(standing)
    }

    async fn standing_of(&self, number: usize) -> Result<ShardStanding, Error> {
        let shard = &self.shards[number];
        let mut standing = ShardStanding { shard: number, database: shard.name.clone(), ..ShardStanding::default() };
        match migrate::standing(shard, Schema::Shard).await {
            Ok(schema) => standing.joined = schema.pending.is_empty(),
            // A server without the database is one that has not joined.
            Err(Error::Database { cause, .. }) if cause.contains("(1049)") => {}
            Err(error) => return Err(error),
        }
        if !standing.joined {
            return Ok(standing);
        }
        let rows: Vec<(u16, u64, u8)> =
            shard.read_text("t_bucket", crate::router::BUCKETS).await.map_err(|fault| failed(shard, &fault))?;
        for (_, _, state) in rows {
            match state {
                OPEN => standing.buckets += 1,
                LEAVING | CLOSED => {
                    standing.buckets += 1;
                    standing.leaving += 1;
                }
                COMING | READY => standing.coming += 1,
                _ => {}
            }
        }
        let counts = "SELECT (SELECT CAST(COALESCE(SUM(TABLE_ROWS), 0) AS UNSIGNED) FROM information_schema.PARTITIONS \
                      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't_order'), \
                      (SELECT CAST(COALESCE(SUM(TABLE_ROWS), 0) AS UNSIGNED) FROM information_schema.TABLES \
                      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't_order_archive'), \
                      (SELECT COUNT(*) FROM t_local_message WHERE status IN (0, 1, 3))";
        let counts: Vec<(u64, u64, u64)> =
            shard.read_text("the counts", counts).await.map_err(|fault| failed(shard, &fault))?;
        (standing.orders_about, standing.archived_about, standing.open_messages) =
            counts.first().copied().unwrap_or_default();
        standing.moves = record::open_moves(shard).await.map_err(|fault| failed(shard, &fault))?;
        Ok(standing)
    }
}
