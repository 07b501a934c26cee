//! Moving buckets from one shard to another while they are used.
//!
//! A move of some buckets goes through steps, each of which can be begun again by whoever comes after a crash:
//!
//! 1. *copying*: the source says `LEAVING`, so every group notes what it writes there; all rows are copied in windows.
//! 2. *verifying*: every row is read on both sides and compared, column by column.
//! 3. *following*: the notes are copied until few are left; then the buckets are closed, the last notes, the open and the
//!    parked messages are carried over, the target says `READY`, and the source, in one transaction, `MOVED`.
//! 4. *switched*: the target opens. Anybody who finds a bucket `MOVED` here and `READY` there may do that.
//! 5. *clearing*: consumed messages follow, and the source's rows are removed.
//!
//! Up to the switch a move can be given up (`cancel.rs`): the buckets stay, and the copies are removed.
//!
//! What holds: a row that was written is either noted or was there before the notes began, and each is compared after it
//! was copied. Reads are served from the source until it says `MOVED`. A mover that was believed dead is fenced: every
//! transaction of a move checks `t_move.mover`. Those that copy orders write `t_move` on the target, and the change feed
//! leaves out transactions that do.
//!
//! What must never happen: two shards that take writes of one bucket; a bucket opened with something missing.

mod arrival;
mod cancel;
mod mover;
mod plan;
mod record;
mod standing;
mod switch;
mod table;

use mysql_async::Value;

use crate::error::Fault;
use crate::session::{Session, Statement};

pub(crate) use arrival::{open_arrived, reopen_overdue};
pub use mover::{Mover, Progress};
pub use plan::{Ask, Which};
pub use record::{BucketMove, MoveStep};
pub use standing::ShardStanding;
pub(crate) use table::write_in_parts;

/// What a group has written in a bucket that is leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// An order, or that its id is void.
    Order(u64),
    Answer([u8; 16]),
}

pub(crate) const NOTES: Statement =
    Statement { head: "INSERT INTO t_change_note (bucket, kind, what)", columns: 3, tail: "" };

impl Note {
    pub fn values(self, bucket: u16) -> Vec<Value> {
        let (kind, what) = match self {
            Self::Order(id) => (0_u64, id.to_be_bytes().to_vec()),
            Self::Answer(hash) => (1, hash.to_vec()),
        };
        vec![u64::from(bucket).into(), kind.into(), Value::Bytes(what)]
    }
}

pub(crate) async fn note(session: &mut Session, bucket: u16, note: Note) -> Result<(), Fault> {
    session.write_rows(&NOTES, vec![note.values(bucket)]).await
}

/// Open messages wait on the target under their status and so many more, where nobody looks for them.
const STAGED: u8 = 10;
/// The bucket of a row that has only its order's id.
const BUCKET_OF_ORDER: &str = "((order_id >> 12) & 1023)";

fn numbers(buckets: &[u16]) -> String {
    crate::dialect::list(buckets.iter().map(|bucket| u64::from(*bucket)))
}
