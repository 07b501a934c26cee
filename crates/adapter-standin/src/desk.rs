//! Where a company decides: its books, and the log that makes them durable.
//!
//! What holds: an event is in the log before it is in the books. An answer, a refusal too, waits until everything it
//! was decided on is synced: nobody is told of what a crash could still undo.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use doos_ports::outside::OutsideError;
use serde::{Serialize, de::DeserializeOwned};

use crate::log::{Log, OpenError};

/// State that is nothing but its events, applied in order.
pub(crate) trait Books: Default {
    type Event: Serialize + DeserializeOwned;

    fn apply(&mut self, event: &Self::Event);
}

/// What a request is answered with, and what it changed, if anything.
pub(crate) struct Decision<T, E> {
    pub(crate) answer: T,
    pub(crate) event: Option<E>,
}

impl<T, E> Decision<T, E> {
    pub(crate) const fn unchanged(answer: T) -> Self {
        Self { answer, event: None }
    }

    pub(crate) const fn changed(answer: T, event: E) -> Self {
        Self { answer, event: Some(event) }
    }
}

#[derive(Default)]
pub(crate) struct Desk<B> {
    books: Mutex<B>,
    log: Log,
}

impl<B: Books> Desk<B> {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let mut books = B::default();
        let log = Log::open(path, |event| books.apply(&event))?;
        Ok(Self { books: Mutex::new(books), log })
    }

    /// `booked` is called with what changed, before anybody else can decide.
    pub(crate) async fn settle<T>(
        &self,
        decide: impl FnOnce(&B) -> Result<Decision<T, B::Event>, OutsideError>,
        booked: impl FnOnce(&B::Event),
    ) -> Result<T, OutsideError> {
        let answer = self.book(decide, booked);
        self.synced().await?;
        answer
    }

    pub(crate) async fn synced(&self) -> Result<(), OutsideError> {
        self.log.synced().await
    }

    fn book<T>(
        &self,
        decide: impl FnOnce(&B) -> Result<Decision<T, B::Event>, OutsideError>,
        booked: impl FnOnce(&B::Event),
    ) -> Result<T, OutsideError> {
        let mut books = self.lock();
        let decision = decide(&books)?;
        if let Some(event) = &decision.event {
            self.log.append(event)?;
            books.apply(event);
            booked(event);
        }
        Ok(decision.answer)
    }

    fn lock(&self) -> MutexGuard<'_, B> {
        self.books.lock().expect("deciding and applying never panic")
    }
}
