//! One reader's view of one shard: a connection that is opened when needed, and the next transaction of orders.
//!
//! What holds: dropping a future of this loses nothing, since what was read is kept here. A connection that breaks is
//! opened again after the last whole transaction.

use futures::StreamExt;
use mysql_async::BinlogStream;
use mysql_async::binlog::events::Event;
use std::sync::Arc;
use tokio::time::timeout;

use crate::error::Fault;
use crate::log::{Log, Transaction};
use crate::place::Place;
use crate::server::Server;

pub(crate) struct Session {
    pub server: Arc<Server>,
    log: Log,
    stream: Option<Box<BinlogStream>>,
    /// Read, and not taken yet.
    pub next: Option<Transaction>,
}

impl Session {
    pub fn new(server: Arc<Server>, at: Place) -> Self {
        let log = Log::new(server.database.clone(), at);
        Self { server, log, stream: None, next: None }
    }

    /// Everything up to here has been read, and what it had is taken or in `next`.
    pub const fn place(&self) -> Place {
        self.log.place
    }

    /// Reads until there is a next transaction of orders, or `until` is reached without one.
    pub async fn fill(&mut self, until: Place) -> Result<(), Fault> {
        let mut may_open_again = true;
        while self.next.is_none() && self.log.place < until {
            match self.read().await {
                Ok(()) => {}
                Err(Fault::Away(cause)) if std::mem::take(&mut may_open_again) && self.stream.is_some() => {
                    self.close();
                    tracing::info!(shard = %self.server.name, cause, "the change feed opens a connection again");
                }
                Err(fault) => {
                    self.close();
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        self.stream = None;
        self.log.start_again();
    }

    async fn read(&mut self) -> Result<(), Fault> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let opened = self.server.open(self.log.place).await?;
                self.stream.insert(Box::new(opened))
            }
        };
        let event = next_event(stream, &self.server).await?;
        let server = &self.server;
        self.next = self.log.take(&event, |table| stream.get_tme(table), |name| server.file_number(name))?;
        server.has_read_to(self.log.place);
        Ok(())
    }
}

async fn next_event(stream: &mut BinlogStream, server: &Server) -> Result<Event, Fault> {
    // A timer for each event would cost more than the event.
    let at_once = futures::poll!(stream.next());
    let came = match at_once {
        std::task::Poll::Ready(came) => came,
        std::task::Poll::Pending => match timeout(server.heartbeat * 3, stream.next()).await {
            Ok(came) => came,
            Err(_) => return Err(Fault::Away(format!("{} has gone silent", server.name))),
        },
    };
    match came {
        Some(event) => Ok(event?),
        None => Err(Fault::Away(format!("{} has ended the binlog", server.name))),
    }
}
