//! Many connections: all of them at work, or most of them open and silent.

use anyhow::{Context, Result, ensure};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};

use super::full::{Reading, read_with};
use crate::options;
use crate::session::Session;

const BUSY: usize = 500;
const IDLE: usize = 10_000;

pub fn connections(session: &mut Session<'_>) -> Result<()> {
    let scenario = "connections";
    let what = format!("read an order, {BUSY} connections");
    read_with(session, Reading { scenario, what, connections: BUSY, idle: 0, ratio_least: 0.7 })?;
    let connections = session.options.connections as usize;
    // The server needs as many files as we do, and inherits our limit.
    if options::open_files_max().is_some_and(|limit| limit < options::files_for((IDLE + connections) as u64)) {
        session.progress.say(&format!("connections: {IDLE} idle ones left out, `ulimit -n` does not allow them"));
        return Ok(());
    }
    let what = format!("read an order, {IDLE} idle connections beside");
    read_with(session, Reading { scenario, what, connections, idle: IDLE, ratio_least: 0.7 })
}

/// Connections that are open and say nothing.
pub struct Idle(Vec<TcpStream>);

impl Idle {
    pub fn open(target: SocketAddr, count: usize) -> Result<Self> {
        let open = |number| {
            let stream = TcpStream::connect(target);
            let stream = stream.with_context(|| format!("idle connection {number} of {count} cannot be opened"))?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        (1..=count).map(open).collect::<Result<_>>().map(Self)
    }

    /// A connection that the server has closed meanwhile was no burden to it.
    pub fn expect_open(self) -> Result<()> {
        let is_open = |mut stream: &TcpStream| matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        let closed = self.0.iter().filter(|stream| !is_open(stream)).count();
        ensure!(closed == 0, "the server closed {closed} of {} idle connections under the load", self.0.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn idle_connections_that_were_closed_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let idle = Idle::open(listener.local_addr().unwrap(), 3).unwrap();
        let accepted: Vec<_> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        assert!(idle.expect_open().is_ok());
        let idle = Idle::open(listener.local_addr().unwrap(), 2).unwrap();
        drop((accepted, listener.accept().unwrap()));
        let (mut closed, _) = listener.accept().unwrap();
        closed.set_nonblocking(true).unwrap();
        let _ = closed.read(&mut [0]);
        drop(closed);
        assert!(idle.expect_open().is_err());
    }
}
