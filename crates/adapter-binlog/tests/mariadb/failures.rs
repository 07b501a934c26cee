//! Connections that die, shards that are away, tables that are not what they were.

use doos_domain::ids::UserId;
use doos_ports::bus::Position;
use doos_ports::change_feed::ChangeFeed;
use mysql_async::prelude::Queryable;

use crate::bed::{Bed, assert_nothing_missing, commit_some, connect, feed_of, on_servers, read_all};
use crate::proxy::Proxy;

#[test]
fn a_killed_reader_reads_on_where_it_was() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let mut committed = Vec::new();
        let mut read = Vec::new();
        let mut after = Position(0);
        let mut killed = 0;
        for round in 0..6 {
            committed.extend(commit_some(&scene, 30, round * 1_000).await);
            // Half of it, so that the server is in the middle of sending.
            read.extend(feed.read(after, 20).await.unwrap());
            after = read[read.len() - 1].position;
            let mut admin = connect(&servers.inventory).await;
            let readers: Vec<u64> = admin
                .query("SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
                .await
                .unwrap();
            for reader in readers {
                killed += usize::from(admin.query_drop(format!("KILL {reader}")).await.is_ok());
            }
            let more = read_all(&feed, after, 13).await;
            after = more[more.len() - 1].position;
            read.extend(more);
        }
        assert!(killed >= 6, "readers were killed: {killed}");
        assert_nothing_missing(&committed, &read);
        assert_eq!(read.len(), committed.len());
    });
}

#[test]
fn a_reader_killed_while_it_waits_is_told_of_the_next_change_all_the_same() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        scene.placed(1, 0).await;
        let end = feed.end().await.unwrap();
        let disturb = async {
            let mut admin = connect(&servers.inventory).await;
            loop {
                let sql = "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
                let readers: Vec<u64> = admin.query(sql).await.unwrap();
                if let Some(reader) = readers.first() {
                    admin.query_drop(format!("KILL {reader}")).await.unwrap();
                    break;
                }
                tokio::task::yield_now().await;
            }
            scene.placed(2, 10).await
        };
        let ((), order) = scene.ends("waiting for a change", async { tokio::join!(feed.ready(end), disturb) }).await;
        let changes = feed.read(end, 10).await.unwrap();
        assert!(changes.iter().any(|changed| changed.order == order));
    });
}

#[test]
fn a_shard_that_is_away_holds_up_only_itself() {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let (before, database) = bed.addresses.shards[1].rsplit_once('/').unwrap();
        let (credentials, server) = before.rsplit_once('@').unwrap();
        let line = Proxy::to(server.to_owned()).await;
        let mut options = bed.options();
        options.shards[1] = format!("{credentials}@{}/{database}", line.address);
        let feed = feed_of(options).await;
        let scene = bed.scene(&feed);
        let mut committed = commit_some(&scene, 20, 0).await;
        let mut read = read_all(&feed, Position(0), 9).await;
        let after = read[read.len() - 1].position;
        line.cut().await;
        let is_reachable = |number: u64| UserId::new(number).unwrap().bucket().get().is_multiple_of(2);
        let (reachable, away) = if is_reachable(2) { (2, 3) } else { (3, 2) };
        let unseen = scene.placed(away, 5_000).await;
        let seen = scene.placed(reachable, 5_001).await;
        committed.extend([(unseen.id, 1), (seen.id, 1)]);
        scene.ends("waiting for the other shard's change", feed.ready(after)).await;
        let changes = feed.read(after, 10).await.unwrap();
        assert_eq!(changes.iter().map(|changed| changed.order.id).collect::<Vec<_>>(), [seen.id]);
        let end = feed.end().await.unwrap();
        assert_eq!(changes[0].position, end, "the end is not ahead of what can be read");
        assert_eq!(feed.lag(end).await.unwrap().shards_away, 1);
        read.extend(changes);
        line.mend();
        scene.ends("waiting for the shard that was away", feed.ready(end)).await;
        let rest = read_all(&feed, end, 10).await;
        assert_eq!(rest.iter().map(|changed| changed.order.id).collect::<Vec<_>>(), [unseen.id]);
        read.extend(rest);
        assert_nothing_missing(&committed, &read);
    });
}

#[test]
fn with_every_shard_away_reading_is_refused_and_not_empty() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let (before, database) = bed.addresses.shards[0].rsplit_once('/').unwrap();
        let (credentials, server) = before.rsplit_once('@').unwrap();
        let line = Proxy::to(server.to_owned()).await;
        let mut options = bed.options();
        options.shards[0] = format!("{credentials}@{}/{database}", line.address);
        let feed = feed_of(options).await;
        line.cut().await;
        let refused = feed.read(Position(0), 10).await.unwrap_err();
        assert!(matches!(refused, doos_ports::Error::Unavailable { .. }), "{refused}");
        feed.end().await.expect_err("the end is not known");
    });
}

#[test]
fn other_indexes_and_another_order_of_columns_change_nothing() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let mut committed = commit_some(&scene, 5, 0).await;
        let mut read = feed.read(Position(0), 3).await.unwrap();
        bed.sql(0, "ALTER TABLE t_order ADD KEY idx_test (total_amount)").await;
        bed.sql(0, "ALTER TABLE t_order MODIFY COLUMN history JSON NOT NULL AFTER id").await;
        committed.extend(commit_some(&scene, 5, 1_000).await);
        read.extend(read_all(&feed, read[2].position, 4).await);
        bed.sql(0, "ALTER TABLE t_order DROP KEY idx_test").await;
        bed.sql(0, "ALTER TABLE t_order MODIFY COLUMN history JSON NOT NULL AFTER detail").await;
        assert_nothing_missing(&committed, &read);
        for changed in &read {
            if changed.order.version == 1
                && read.iter().all(|other| other.order.id != changed.order.id || other.order.version == 1)
            {
                assert_eq!(scene.load(changed.order.id).await.as_ref(), Some(&changed.order));
            }
        }
    });
}

#[test]
fn a_column_that_is_not_known_stops_the_feed_in_clear_words() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let before = commit_some(&scene, 5, 0).await;
        bed.sql(0, "ALTER TABLE t_order ADD COLUMN gift INT NULL").await;
        scene.placed(1, 5_000).await;
        let refused = match feed.read(Position(0), 100).await {
            Err(refused) => refused,
            Ok(read) => {
                assert_nothing_missing(&before, &read);
                feed.read(read[read.len() - 1].position, 100).await.unwrap_err()
            }
        };
        assert!(matches!(refused, doos_ports::Error::Broken { .. }), "{refused}");
        assert!(refused.to_string().contains("`gift`"), "{refused}");
        bed.sql(0, "ALTER TABLE t_order DROP COLUMN gift").await;
        feed.read(Position(0), 100).await.expect_err("what was committed with it is still not understood");
        assert_eq!(feed.read(Position(0), before.len()).await.unwrap().len(), before.len(), "what was before it is");
    });
}

#[test]
fn an_id_above_the_signed_range_is_read_as_what_it_is() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let order = scene.placed(1, 0).await;
        let number: u64 = (1 << 63) + 5;
        let columns = "user_id, bucket, status, version, total_amount, currency, items, address, quote, detail, history, \
                       created_at, updated_at";
        let copy = format!(
            "INSERT INTO t_order (id, {columns}) SELECT {number}, {columns} FROM t_order WHERE id = {}",
            order.id
        );
        bed.sql(0, &copy).await;
        let said = match feed.read(Position(0), 10).await {
            Ok(read) => feed.read(read[0].position, 10).await.unwrap_err().to_string(),
            Err(refused) => refused.to_string(),
        };
        assert!(said.contains(&number.to_string()), "{said}");
    });
}
