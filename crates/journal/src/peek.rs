//! Reading a journal without owning it: beside its running owner, or on a copy.
//!
//! Takes no lock and writes nothing. What it shows ends where the last whole group ended when it was opened; that
//! group may not be synced yet, so this is for copies and looks, never for decisions. The files are held open, so
//! what was there at the opening stays readable even if the owner gives segments back.
//!
//! A reader that runs beside a writer may find a later group before an earlier one, or a file gone between listing
//! and opening. Neither is damage until it has been looked at several times.

use std::sync::{Arc, RwLock, atomic::AtomicU64};

use crate::{
    Disk, Error, Reader,
    reader::Shared,
    recover::{believed, list},
};

/// A writer never overtakes this many looks in a row; damage stays where it is.
const LOOKS_MAX: usize = 16;

/// Opens what is there for reading.
pub fn peek(disk: &dyn Disk) -> Result<Reader, Error> {
    let mut looks = 0;
    loop {
        looks += 1;
        match look(disk) {
            Err(Error::Corrupt { .. } | Error::Io { .. }) if looks < LOOKS_MAX => {}
            outcome => return outcome,
        }
    }
}

fn look(disk: &dyn Disk) -> Result<Reader, Error> {
    let (segments, end) = believed(disk, &list(disk)?)?;
    if segments.is_empty() {
        let found = "there is no segment".to_owned();
        return Err(Error::Corrupt { segment: "the journal".to_owned(), offset: 0, found });
    }
    Ok(Reader::new(Arc::new(Shared { segments: RwLock::new(segments), end: AtomicU64::new(end) })))
}
