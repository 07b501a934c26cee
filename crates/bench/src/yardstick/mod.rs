//! What there is to measure against, in the same run on the same machine.
//!
//! Bare servers (`http`, `grpc`) say what the protocol alone costs; they run as processes of their own, as the measured
//! server does. `journal`, `sqlite` and `disk` say what storing the same records with the same durability costs without
//! anything in front of it. `ids` is no yardstick but a part of ours, measured as they are.
//!
//! What must never happen: a yardstick that does more than it says, or a listener off loopback.

mod disk;
mod grpc;
mod http;
mod ids;
mod journal;
mod records;
mod sqlite;

pub use disk::sync_latency;
pub use grpc::serve as serve_grpc;
pub use http::serve as serve_http;
pub use ids::{IdLoad, ids_per_s};
pub use journal::orders_per_s as journal_orders_per_s;
pub use records::placed;
pub use sqlite::orders_per_s as sqlite_orders_per_s;

use anyhow::{Result, ensure};
use std::io::{Read, Write};
use std::net::SocketAddr;

/// Opens the listener of a bare server and says where it is.
async fn listen(listen: SocketAddr) -> Result<tokio::net::TcpListener> {
    ensure!(listen.ip().is_loopback(), "{listen} is not a loopback address");
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    end_with_the_parent();
    Ok(listener)
}

/// The parent holds the other end of our standard input.
fn end_with_the_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
