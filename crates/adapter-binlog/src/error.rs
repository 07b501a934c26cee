//! What can go wrong between a binlog and its reader, sorted by what the reader does about it.

/// One shard's failure.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection, or it broke: opened again after a pause, at the place reached.
    #[error("{0}")]
    Away(String),
    /// The server does not have this place: its file was purged, or the log began anew.
    #[error("{0}")]
    Lost(String),
    /// Another log under the same names: nothing that was known about it holds.
    #[error("{0}")]
    Another(String),
    /// It can be read and not understood. The feed stands still here, since going on would be a hole.
    #[error("{0}")]
    Broken(String),
}

pub(crate) const ENGINE: &str = "the change feed";

/// What a server says about a place it does not have.
const NO_SUCH_PLACE: u16 = 1236;

impl From<mysql_async::Error> for Fault {
    fn from(error: mysql_async::Error) -> Self {
        match &error {
            mysql_async::Error::Server(server) if server.code == NO_SUCH_PLACE && is_about_a_place(&server.message) => {
                Self::Lost(error.to_string())
            }
            _ => Self::Away(error.to_string()),
        }
    }
}

/// The same code also stands for a packet too large, a server id used twice, and more.
fn is_about_a_place(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["could not find", "impossible position", "> file size", "purged"].iter().any(|sign| message.contains(sign))
}

impl From<Fault> for doos_ports::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Away(cause) | Fault::Lost(cause) | Fault::Another(cause) => {
                Self::Unavailable { engine: ENGINE, cause }
            }
            Fault::Broken(cause) => Self::Broken { engine: ENGINE, cause },
        }
    }
}

/// Why a feed cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no order shard is configured")]
    NoShards,
    #[error("shard {number} has no database address: {cause}; expected mysql://USER:PASSWORD@HOST:PORT/DATABASE")]
    Address { number: usize, cause: String },
}
