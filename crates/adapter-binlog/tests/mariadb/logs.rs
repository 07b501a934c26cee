//! Binlog files that end, and files that are gone; rows larger than a packet.

use doos_ports::bus::Position;
use doos_ports::change_feed::ChangeFeed;
use mysql_async::prelude::Queryable;

use crate::bed::{
    Bed, Servers, administer, assert_nothing_missing, commit_some, connect, feed_of, on_servers, read_all,
};

/// Ends the present file and purges it and all before it. The server keeps files for readers that are gone for as long
/// as it has not noticed, so they are cut off until none is left.
async fn purge(servers: &Servers) {
    administer("FLUSH BINARY LOGS");
    purge_to_the_present(servers).await;
}

async fn purge_to_the_present(servers: &Servers) {
    let mut conn = connect(&servers.inventory).await;
    for _ in 0..1_000 {
        let readers = "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
        let readers: Vec<u64> = conn.query(readers).await.unwrap();
        for reader in readers {
            // It may have gone meanwhile.
            let _ = conn.query_drop(format!("KILL {reader}")).await;
        }
        let files: Vec<(String, u64)> = conn.query("SHOW BINARY LOGS").await.unwrap();
        if files.len() == 1 {
            return;
        }
        administer(&format!("PURGE BINARY LOGS TO '{}'", files[files.len() - 1].0));
    }
    panic!("the older files cannot be purged");
}

#[test]
fn a_file_that_ends_while_it_is_read_is_followed_by_the_next() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 2).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let mut committed = Vec::new();
        let mut read = Vec::new();
        let mut after = Position(0);
        for round in 0..4 {
            committed.extend(commit_some(&scene, 10, round * 2_000).await);
            administer("FLUSH BINARY LOGS");
            committed.extend(commit_some(&scene, 10, round * 2_000 + 1_000).await);
            read.extend(feed.read(after, 11).await.unwrap());
            after = read[read.len() - 1].position;
            administer("FLUSH BINARY LOGS");
            let more = read_all(&feed, after, 7).await;
            after = more[more.len() - 1].position;
            read.extend(more);
            assert!(feed.read(after, 7).await.unwrap().is_empty(), "a file without orders has an end, too");
        }
        assert_eq!(read.len(), committed.len());
        assert_nothing_missing(&committed, &read);
        let again = bed.feed().await;
        let token = feed.token(read[3].position);
        let position = again.resume(&token).await.unwrap().expect("the token is known");
        assert_nothing_missing(&committed[4..], &[read_all(&again, position, 50).await, read[..4].to_vec()].concat());
    });
}

#[test]
fn who_stands_before_a_purge_is_told_so_and_reads_what_is_left() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let mut options = bed.options();
        options.recent_max = 4;
        let feed = feed_of(options).await;
        let scene = bed.scene(&feed);
        commit_some(&scene, 10, 0).await;
        let read = read_all(&feed, Position(0), 100).await;
        let (early, token) = (read[1].position, feed.token(read[1].position));
        assert_eq!(feed.resume(&token).await.unwrap(), Some(early));
        drop(feed);
        let other = bed.feed().await;
        let standing = other.resume(&token).await.unwrap().expect("nothing is purged yet");
        purge(&servers).await;
        let left = commit_some(&scene, 6, 9_000).await;
        assert_eq!(bed.feed().await.resume(&token).await.unwrap(), None, "a new process says that it is not kept");
        let rest = read_all(&other, standing, 100).await;
        assert_nothing_missing(&left, &rest);
        assert!(other.oldest().await.unwrap() > standing, "whoever stood there is told");
        assert_eq!(other.losses(), 1);
        let end = other.end().await.unwrap();
        let news = commit_some(&scene, 3, 20_000).await;
        assert_nothing_missing(&news, &read_all(&other, end, 100).await);
    });
}

#[test]
fn a_reader_at_the_end_does_not_lose_its_place_to_a_purge() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        commit_some(&scene, 4, 0).await;
        read_all(&feed, Position(0), 100).await;
        let early = feed.token(feed.end().await.unwrap());
        administer("FLUSH BINARY LOGS");
        // No order for a while, but a look now and then.
        let token = feed.token(feed.end().await.unwrap());
        drop(feed);
        purge_to_the_present(&servers).await;
        assert_eq!(bed.feed().await.resume(&early).await.unwrap(), None, "who does not look loses its place");
        let next = bed.feed().await;
        let position = next.resume(&token).await.unwrap().expect("nothing of interest was purged");
        let news = commit_some(&scene, 4, 9_000).await;
        assert_nothing_missing(&news, &read_all(&next, position, 100).await);
    });
}

#[test]
fn a_row_larger_than_a_packet_is_read() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 1).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let order = scene.placed(1, 0).await;
        let len = 20 << 20;
        let grow = format!(
            "UPDATE t_order SET version = 2, detail = CONCAT(LEFT(detail, CHAR_LENGTH(detail) - 1), \
             ',\"recalled\":[\"', REPEAT('x', {len}), '\"]}}') WHERE id = {}",
            order.id
        );
        bed.sql(0, &grow).await;
        let after = scene.placed(2, 10).await;
        let read = read_all(&feed, Position(0), 10).await;
        assert_eq!(read.len(), 3);
        assert_eq!(read[1].order.recalled.iter().map(String::len).collect::<Vec<_>>(), [len]);
        assert_eq!(read[2].order, after);
    });
}

#[test]
fn months_that_are_put_away_are_no_events_and_an_order_that_comes_back_is_one() {
    on_servers(async |servers| {
        let bed = Bed::alone(&servers, 2).await;
        // Made anew, so that this month has its partition.
        for shard in 0..2 {
            let (server, name) = bed.addresses.shards[shard].rsplit_once('/').unwrap();
            let mut conn = connect(server).await;
            conn.query_drop(format!("DROP DATABASE {name}")).await.unwrap();
        }
        let bed = bed.again(&servers).await;
        let feed = bed.feed().await;
        let scene = bed.scene(&feed);
        let committed = commit_some(&scene, 40, 0).await;
        let read = read_all(&feed, Position(0), 50).await;
        assert_nothing_missing(&committed, &read);
        let after = read[read.len() - 1].position;
        assert_eq!(bed.put_away().await, 40);
        assert!(read_all(&feed, after, 50).await.is_empty(), "nothing has changed for anybody");

        let mut late = (*read[read.len() - 1].order).clone();
        late.version += 1;
        let change = doos_ports::order_store::Change {
            expected_version: late.version - 1,
            order: std::sync::Arc::new(late.clone()),
            messages: Vec::new(),
            answer: None,
            gate_epoch: None,
        };
        scene.commit(change).await.expect("a late change is taken");
        let new = commit_some(&scene, 4, 5_000).await;
        let read = read_all(&feed, after, 50).await;
        assert_eq!(read.len(), 1 + new.len());
        let come_back: Vec<_> = read.iter().filter(|changed| changed.order.id == late.id).collect();
        assert!(come_back.len() == 1 && *come_back[0].order == late, "{come_back:?}");
        assert_nothing_missing(&new, &read);
    });
}
