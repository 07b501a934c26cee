//! In which order this process has read the shards' transactions, and so what every position stands for.
//!
//! Shards have no order among each other until somebody reads them. Whoever reads first writes the order down here, one
//! unit a transaction, and everybody who reads the same stretch later follows it. A chunk starts at known places and
//! ends where the next one starts; between its last unit and that end it may not have been read yet.
//!
//! What holds: starts of chunks follow each other in every shard. A position is the sum of the places after a unit.
//! What must never happen: two orders for one stretch, since a reader that changes from one to the other has a hole.

use std::collections::BTreeMap;

use crate::place::{Place, Places};

const UNITS_PER_CHUNK: usize = 256;

/// One transaction with orders in it, or (without changes) a stretch of one shard that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub shard: u16,
    pub changes: u32,
    pub end: Place,
    pub position: u64,
}

struct Chunk {
    start: Places,
    units: Vec<Unit>,
    /// Nothing is between its last unit and the next chunk.
    is_complete: bool,
}

/// Before this unit of this chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    chunk: u64,
    unit: usize,
}

impl Cursor {
    pub const fn after_one(self) -> Self {
        Self { chunk: self.chunk, unit: self.unit + 1 }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Somebody has read on from here.
    Known(Unit),
    /// Nobody has. The chunk ends there, or is the last.
    Unread { stop: Option<Places> },
    /// The chunk has ended.
    Next(Cursor, Places),
    /// What the cursor stood in was forgotten.
    Gone,
}

pub(crate) struct Timeline {
    chunks: BTreeMap<u64, Chunk>,
    units: usize,
    units_max: usize,
    /// There were no orders before it began.
    is_whole: bool,
}

impl Timeline {
    pub fn new(start: Places, is_whole: bool, units_max: usize) -> Self {
        let mut timeline = Self { chunks: BTreeMap::new(), units: 0, units_max, is_whole };
        timeline.open(start);
        timeline
    }

    fn open(&mut self, start: Places) {
        self.chunks.entry(start.sum()).or_insert(Chunk { start, units: Vec::new(), is_complete: false });
    }

    fn first(&self) -> (u64, &Chunk) {
        self.chunks.first_key_value().map(|(key, chunk)| (*key, chunk)).expect("a timeline has a chunk")
    }

    fn last(&self) -> (u64, &Chunk) {
        self.chunks.last_key_value().map(|(key, chunk)| (*key, chunk)).expect("a timeline has a chunk")
    }

    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Whoever stands here or later has missed nothing.
    pub fn oldest(&self) -> u64 {
        if self.is_whole { 0 } else { self.first().0 }
    }

    /// Where its first chunk begins.
    pub fn start(&self) -> u64 {
        self.first().0
    }

    /// How far it has been read.
    pub fn frontier(&self) -> u64 {
        let (key, chunk) = self.last();
        chunk.units.last().map_or(key, |unit| unit.position)
    }

    pub fn frontier_places(&self) -> Places {
        let (_, chunk) = self.last();
        chunk.places_before(chunk.units.len())
    }

    /// The last boundary at or before this position; the oldest there is if it lies before.
    pub fn locate(&self, position: u64) -> (Cursor, Places) {
        let found = self.chunks.range(..=position).next_back().map(|(key, chunk)| (*key, chunk));
        let (key, chunk) = found.unwrap_or_else(|| self.first());
        let unit = chunk.units.partition_point(|unit| unit.position <= position);
        (Cursor { chunk: key, unit }, chunk.places_before(unit))
    }

    /// The last boundary with nothing before it that these places do not have. `None` if they lie before the start.
    pub fn find(&self, places: &Places) -> Option<u64> {
        let (key, chunk) = self.chunks.iter().rev().find(|(_, chunk)| places.reaches(&chunk.start))?;
        let mut found = *key;
        for unit in &chunk.units {
            if places.0[usize::from(unit.shard)] < unit.end {
                break;
            }
            found = unit.position;
        }
        Some(found)
    }

    pub fn step(&self, cursor: Cursor) -> Step {
        let Some(chunk) = self.chunks.get(&cursor.chunk) else { return Step::Gone };
        if let Some(unit) = chunk.units.get(cursor.unit) {
            return Step::Known(*unit);
        }
        match self.chunks.range(cursor.chunk + 1..).next() {
            None => Step::Unread { stop: None },
            Some((key, next)) if chunk.is_complete => Step::Next(Cursor { chunk: *key, unit: 0 }, next.start.clone()),
            Some((_, next)) => Step::Unread { stop: Some(next.start.clone()) },
        }
    }

    /// Writes down what was read at the cursor, or returns `None` because somebody else has.
    pub fn add(&mut self, cursor: Cursor, shard: u16, changes: u32, end: Place) -> Option<Unit> {
        let chunk = self.chunks.get_mut(&cursor.chunk)?;
        if cursor.unit != chunk.units.len() {
            return None;
        }
        let mut places = chunk.places_before(cursor.unit);
        places.0[usize::from(shard)] = end;
        let unit = Unit { shard, changes, end, position: places.sum() };
        chunk.units.push(unit);
        if chunk.units.len() >= UNITS_PER_CHUNK {
            chunk.is_complete = true;
            self.open(places);
        }
        self.units += 1;
        self.trim();
        Some(unit)
    }

    /// The chunk has been read up to its end.
    pub fn complete(&mut self, cursor: Cursor) {
        if let Some(chunk) = self.chunks.get_mut(&cursor.chunk)
            && cursor.unit == chunk.units.len()
        {
            chunk.is_complete = true;
        }
    }

    /// Reading goes on there; what lies between is read by whoever asks for it.
    pub fn skip_to(&mut self, places: Places) {
        if places.sum() > self.frontier() {
            self.open(places);
        }
    }

    /// What lies before is wanted too. Returns the position to read on after.
    pub fn begin_earlier(&mut self, places: &Places) -> u64 {
        let start = places.earlier(&self.first().1.start);
        let position = start.sum();
        self.open(start);
        self.is_whole = false;
        position
    }

    fn trim(&mut self) {
        while self.units > self.units_max && self.chunks.len() > 1 {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) -> Option<Chunk> {
        let (_, chunk) = self.chunks.pop_first()?;
        self.units -= chunk.units.len();
        self.is_whole = false;
        Some(chunk)
    }

    /// The servers have nothing from before these places.
    pub fn forget_before(&mut self, kept: &Places) {
        let end = self.frontier_places();
        while let Some(chunk) = self.drop_first() {
            if chunk.start.reaches(kept) {
                self.units += chunk.units.len();
                self.chunks.insert(chunk.start.sum(), chunk);
                return;
            }
            let reached = (1..=chunk.units.len()).find(|unit| chunk.places_before(*unit).reaches(kept));
            if let Some(unit) = reached {
                let start = chunk.places_before(unit);
                let units = chunk.units[unit..].to_vec();
                self.units += units.len();
                self.chunks.insert(start.sum(), Chunk { start, units, is_complete: chunk.is_complete });
                return;
            }
        }
        self.open(end.later(kept));
    }
}

impl Chunk {
    fn places_before(&self, unit: usize) -> Places {
        let mut places = self.start.clone();
        for unit in &self.units[..unit] {
            places.0[usize::from(unit.shard)] = unit.end;
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(offsets: [u32; 2]) -> Places {
        Places(offsets.map(|offset| Place { file: 1, offset }).to_vec())
    }

    fn place(offset: u32) -> Place {
        Place { file: 1, offset }
    }

    const BASE: u64 = 2 << 32;

    /// Shard 0 at 10, shard 1 at 120, shard 0 at 30.
    fn read_a_little() -> Timeline {
        let mut timeline = Timeline::new(places([4, 100]), false, 10_000);
        for (shard, offset) in [(0, 10), (1, 120), (0, 30)] {
            let (cursor, _) = timeline.locate(timeline.frontier());
            timeline.add(cursor, shard, 1, place(offset)).unwrap();
        }
        timeline
    }

    #[test]
    fn a_position_stands_for_the_places_it_was_read_at() {
        let timeline = read_a_little();
        assert_eq!(timeline.frontier(), BASE + 150);
        assert_eq!(timeline.locate(BASE + 110).1, places([10, 100]));
        assert_eq!(timeline.locate(BASE + 129).1, places([10, 100]), "inside of a transaction it is the one before");
        assert_eq!(timeline.locate(BASE + 130).1, places([10, 120]));
        assert_eq!(timeline.locate(0).1, places([4, 100]));
    }

    #[test]
    fn places_are_found_at_or_before_and_never_after_what_they_have() {
        let timeline = read_a_little();
        for (offsets, expected) in [
            ([4, 100], Some(104)),
            ([10, 119], Some(110)),
            ([30, 100], Some(110)),
            ([10, 500], Some(130)),
            ([99, 500], Some(150)),
            ([3, 500], None),
        ] {
            assert_eq!(timeline.find(&places(offsets)), expected.map(|sum| BASE + sum), "{offsets:?}");
        }
    }

    #[test]
    fn only_one_order_is_written_down() {
        let mut timeline = Timeline::new(places([4, 100]), false, 10_000);
        let (cursor, _) = timeline.locate(0);
        let unit = timeline.add(cursor, 0, 1, place(10)).unwrap();
        assert_eq!(timeline.add(cursor, 1, 1, place(120)), None);
        assert_eq!(timeline.step(cursor), Step::Known(unit));
    }

    #[test]
    fn what_was_skipped_ends_where_reading_went_on() {
        let mut timeline = read_a_little();
        timeline.skip_to(places([900, 900]));
        assert_eq!(timeline.frontier(), BASE + 1_800);
        let (cursor, _) = timeline.locate(BASE + 150);
        assert_eq!(timeline.step(cursor), Step::Unread { stop: Some(places([900, 900])) });
        timeline.add(cursor, 1, 2, place(700)).unwrap();
        let (cursor, found) = timeline.locate(BASE + 730);
        assert_eq!(found, places([30, 700]));
        timeline.complete(cursor);
        assert!(matches!(timeline.step(cursor), Step::Next(_, start) if start == places([900, 900])));
    }

    #[test]
    fn an_earlier_beginning_ends_where_the_first_one_was() {
        let mut timeline = read_a_little();
        let position = timeline.begin_earlier(&places([2, 777]));
        assert_eq!(position, BASE + 102, "no shard starts after the beginning that was");
        assert_eq!(timeline.oldest(), position);
        let (cursor, _) = timeline.locate(position);
        assert_eq!(timeline.step(cursor), Step::Unread { stop: Some(places([4, 100])) });
    }

    #[test]
    fn what_the_servers_do_not_have_is_forgotten_and_nothing_else() {
        let mut timeline = read_a_little();
        timeline.forget_before(&places([5, 4]));
        assert_eq!(timeline.oldest(), BASE + 110);
        assert_eq!(timeline.frontier(), BASE + 150);
        timeline.forget_before(&places([1_000, 4]));
        assert_eq!(timeline.oldest(), BASE + 1_120, "the other shard goes on from where it was");
    }

    #[test]
    fn it_forgets_its_beginning_rather_than_grow() {
        let mut timeline = Timeline::new(places([4, 100]), true, 600);
        assert_eq!(timeline.oldest(), 0, "there was nothing before it");
        for offset in 0..5_000_u32 {
            let (cursor, _) = timeline.locate(timeline.frontier());
            timeline.add(cursor, 0, 1, place(10 + offset)).unwrap();
        }
        assert!(timeline.units <= 600 && timeline.units > 300);
        assert_eq!(timeline.frontier(), BASE + 5_109);
        assert!(timeline.oldest() >= BASE + 110 + 4_400);
        assert_eq!(timeline.step(Cursor { chunk: BASE + 104, unit: 0 }), Step::Gone);
    }
}
