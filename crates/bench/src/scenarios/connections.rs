//! Many connections: all of them at work, or most of them open and silent.

use anyhow::{Context, Result, ensure};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};

use super::full::{Reading, read_with};
use crate::api::Api;
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
            // One call first: a connection that has never said anything is closed soon, as it should be.
            let mut api = Api::new(target, None);
            let called = api.call("GET", "/livez", None);
            called.with_context(|| format!("idle connection {number} of {count} cannot be opened"))?;
            let stream = api.into_stream().context("the server does not keep connections open")?;
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
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::mpsc;

    #[test]
    fn idle_connections_that_were_closed_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, connections) = mpsc::sync_channel(5);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 256]).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                accepted.send(stream).unwrap();
            }
        });
        assert!(Idle::open(address, 3).unwrap().expect_open().is_ok());
        let idle = Idle::open(address, 2).unwrap();
        // Three of before, then the two of this.
        let connections: Vec<TcpStream> = connections.iter().take(5).collect();
        connections[4].shutdown(std::net::Shutdown::Both).unwrap();
        assert!(idle.expect_open().is_err());
    }
}
