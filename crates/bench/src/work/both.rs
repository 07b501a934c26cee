//! Reads four times out of five, and places otherwise.

use super::{Buyer, Reader};
use crate::http::Answer;
use crate::load::{Outcome, Work};
use crate::notes::Notes;

const READS_PER_MILLE: u32 = 800;

pub struct Both {
    reader: Reader,
    buyer: Buyer,
    random: fastrand::Rng,
    reads: bool,
}

impl Both {
    pub fn new(reader: Reader, buyer: Buyer, seed: u64) -> Self {
        Self { reader, buyer, random: fastrand::Rng::with_seed(seed), reads: true }
    }
}

impl Work for Both {
    fn prepare(&mut self, request: &mut Vec<u8>) {
        self.reads = self.random.u32(..1_000) < READS_PER_MILLE;
        if self.reads { self.reader.prepare(request) } else { self.buyer.prepare(request) }
    }

    fn judge(&mut self, answer: Answer<'_>) -> Outcome {
        if self.reads { self.reader.judge(answer) } else { self.buyer.judge(answer) }
    }

    fn lost(&mut self) {
        if self.reads { self.reader.lost() } else { self.buyer.lost() }
    }

    fn into_notes(self) -> Notes {
        self.buyer.into_notes()
    }
}
