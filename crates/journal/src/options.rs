//! What an owner can choose about a journal. Every number has its unit in its name and its reason here.

use crate::{Error, format};

/// Sizes of a journal. They may change from one opening to the next; each segment remembers its own size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Size of a segment file, header page included. Default 64 MiB: creating one costs about as much as fifty
    /// syncs, and it is the smallest piece of disk that can be given back.
    pub segment_bytes: u64,
    /// Largest group, its framing included. Default 8 MiB: far above what a batcher gathers (1,024 changes), and
    /// small enough to be read, checked and written again at every opening.
    pub group_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, group_bytes_max: 8 << 20 }
    }
}

impl Options {
    /// Refuses sizes that the format cannot express.
    pub(crate) fn checked(mut self) -> Result<Self, Error> {
        let page = format::HEADER_BYTES;
        if !(2 * page..=4 << 30).contains(&self.segment_bytes) {
            return Err(Error::Options { reason: "segment_bytes must lie between 8 KiB and 4 GiB" });
        }
        if !(64..=1 << 30).contains(&self.group_bytes_max) {
            return Err(Error::Options { reason: "group_bytes_max must lie between 64 bytes and 1 GiB" });
        }
        self.segment_bytes = self.segment_bytes.next_multiple_of(page);
        Ok(self)
    }
}
