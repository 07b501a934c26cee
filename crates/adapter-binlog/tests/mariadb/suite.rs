//! The port's own suite, with the order store that writes what the feed reads.

use crate::bed::{Bed, on_servers};

fn run(case: doos_ports::suites::Case) {
    on_servers(async |servers| {
        let bed = Bed::shards(&servers).await;
        let feed = bed.feed().await;
        case(bed.ports(&feed)).await;
    });
}

doos_ports::change_feed_suite!(run);
