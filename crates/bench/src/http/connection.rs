//! One connection: sends a request, receives its answer, and opens itself anew when the server has closed it.
//!
//! What holds: a call ends, at the latest with its deadline; after any failure the next call has a new connection.

use anyhow::Result;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, parse};

/// A call that has taken so long is given up; its outcome is unknown.
pub const CALL_DEADLINE: Duration = Duration::from_secs(30);
const RECEIVE_BYTES: usize = 8 << 10;

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// Nothing was sent: the server took no connection.
    NotSent(String),
    /// It was sent, or a part of it; nobody knows what came of it.
    Unknown(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(cause) => write!(f, "no connection: {cause}"),
            Self::Unknown(cause) => write!(f, "no answer: {cause}"),
        }
    }
}

pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, received: Vec::with_capacity(RECEIVE_BYTES) }
    }

    /// Opens it, if it is not open.
    pub async fn open(&mut self) -> Result<(), Refusal> {
        if self.stream.is_none() {
            let connecting = tokio::time::timeout(CALL_DEADLINE, TcpStream::connect(self.address)).await;
            let stream = connecting.map_err(|late| Refusal::NotSent(late.to_string()))?;
            let stream = stream.map_err(|error| Refusal::NotSent(error.to_string()))?;
            stream.set_nodelay(true).map_err(|error| Refusal::NotSent(error.to_string()))?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    pub async fn call(&mut self, request: &[u8]) -> Result<Answer<'_>, Refusal> {
        self.open().await?;
        let mut stream = self.stream.take().expect("it was opened just now");
        let exchange = exchange(&mut stream, request, &mut self.received);
        let outcome = tokio::time::timeout(CALL_DEADLINE, exchange).await;
        let head = outcome.unwrap_or_else(|late| Err(late.to_string())).map_err(Refusal::Unknown)?;
        if !head.closes {
            self.stream = Some(stream);
        }
        let body = &self.received[head.head_bytes..head.head_bytes + head.body_bytes];
        let (replayed, has_retry_after) = (head.replayed, head.has_retry_after);
        Ok(Answer { status: head.status, replayed, has_retry_after, body })
    }
}

async fn exchange(stream: &mut TcpStream, request: &[u8], received: &mut Vec<u8>) -> Result<super::Head, String> {
    stream.write_all(request).await.map_err(|error| error.to_string())?;
    received.clear();
    let mut head: Option<super::Head> = None;
    loop {
        let wanted = head.map_or(RECEIVE_BYTES, |head| head.head_bytes + head.body_bytes - received.len());
        received.reserve(wanted);
        let got = stream.read_buf(received).await.map_err(|error| error.to_string())?;
        if got == 0 {
            return Err("the server closed the connection".to_owned());
        }
        if head.is_none() {
            head = parse(received).map_err(|malformed| malformed.to_string())?;
        }
        if let Some(head) = head {
            match received.len().cmp(&(head.head_bytes + head.body_bytes)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(head),
                std::cmp::Ordering::Greater => return Err("more bytes than its length says".to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers each request with the pieces, one write each; then closes, or goes on.
    async fn serve(listener: TcpListener, pieces: &[&[u8]], connections: usize, calls_each: usize) -> usize {
        let mut calls = 0;
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            for _ in 0..calls_each {
                let mut request = [0; 64];
                if stream.read(&mut request).await.unwrap() == 0 {
                    break;
                }
                calls += 1;
                for piece in pieces {
                    stream.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        }
        calls
    }

    async fn listener() -> (TcpListener, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = Connection::new(listener.local_addr().unwrap());
        (listener, connection)
    }

    #[tokio::test]
    async fn an_answer_in_pieces_is_put_together_and_the_connection_serves_the_next_call() {
        let (listener, mut connection) = listener().await;
        let pieces: [&[u8]; 4] = [b"HTTP/1.1 200", b" OK\r\ncontent-le", b"ngth: 4\r\n\r\nbo", b"dy"];
        let calls = async {
            for _ in 0..3 {
                let answer = connection.call(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
                assert_eq!((answer.status, answer.body), (200, &b"body"[..]));
            }
        };
        // One accepted connection only: a second one would wait for ever.
        let (served, ()) = tokio::join!(serve(listener, &pieces, 1, 3), calls);
        assert_eq!(served, 3);
    }

    #[tokio::test]
    async fn after_a_close_the_next_call_has_a_new_connection() {
        let (listener, mut connection) = listener().await;
        let pieces: [&[u8]; 1] = [b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"];
        let calls = async {
            for _ in 0..2 {
                assert_eq!(connection.call(b"GET / HTTP/1.1\r\n\r\n").await.unwrap().status, 200);
            }
        };
        let (served, ()) = tokio::join!(serve(listener, &pieces, 2, 1), calls);
        assert_eq!(served, 2);
    }

    #[tokio::test]
    async fn a_cut_answer_is_unknown_and_a_server_that_is_not_there_was_sent_nothing() {
        let (listener, mut connection) = listener().await;
        let cut: [&[u8]; 1] = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"];
        let (_, outcome) = tokio::join!(serve(listener, &cut, 1, 1), connection.call(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(matches!(outcome, Err(Refusal::Unknown(_))), "{outcome:?}");
        // The listener is gone by now.
        let outcome = connection.call(b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(matches!(outcome, Err(Refusal::NotSent(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn more_than_the_length_says_is_refused() {
        let (listener, mut connection) = listener().await;
        let long: [&[u8]; 1] = [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ntwo"];
        let (_, outcome) = tokio::join!(serve(listener, &long, 1, 1), connection.call(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(matches!(outcome, Err(Refusal::Unknown(_))), "{outcome:?}");
    }
}
