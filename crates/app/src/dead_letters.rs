//! Dead letters: read them, put them back in line, or give them up.
//!
//! What holds: a replayed letter goes to the end of its order's line at its consumer, with fresh tries; replaying twice
//! is harmless, because every consumer does a message once in effect. A discard is final. Both are recorded before they
//! are done.

use doos_domain::action::Deed;
use doos_domain::ids::MessageId;
use doos_ports::inbox::{DeadLetter, Progress, Waiting};
use futures::future::join_all;
use std::collections::BTreeSet;

use crate::actions::{Asked, Plan};
use crate::{App, Error, Principal, Result};

/// Letters settled in one call.
pub const LETTERS_MAX: usize = 100;

/// What is done with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    Replay,
    Discard,
}

impl App {
    pub async fn dead_letters(
        &self,
        principal: &Principal,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        principal.check_operator()?;
        Ok(self.ports.inbox.dead_letters(after, limit).await?)
    }

    pub async fn dead_letter(&self, principal: &Principal, id: &MessageId) -> Result<DeadLetter> {
        principal.check_operator()?;
        self.ports.inbox.dead_letter(id).await?.ok_or(Error::NotFound("dead letter"))
    }

    /// A replayed letter is taken up at once by its consumer.
    pub async fn settle_dead_letter(&self, asked: &Asked, id: &MessageId, how: Settling) -> Result<DeadLetter> {
        let letter = self.dead_letter(&asked.by, id).await?;
        let deed = match how {
            Settling::Replay => Deed::ReplayDeadLetter,
            Settling::Discard => Deed::DiscardDeadLetter,
        };
        let plan = Plan::new(deed, id).with("consumer", Some(letter.consumer)).with("cause", Some(&letter.cause));
        let plan = plan.with("order_id", Some(letter.message.order_id));
        self.recorded(asked, plan, self.settle(asked, letter, how)).await
    }

    /// Each by itself: one that is gone meanwhile stops no other. A letter named twice is settled once.
    pub async fn settle_dead_letters(
        &self,
        asked: &Asked,
        ids: Vec<MessageId>,
        how: Settling,
    ) -> Result<Vec<(MessageId, Result<DeadLetter>)>> {
        asked.by.check_operator()?;
        if ids.is_empty() || ids.len() > LETTERS_MAX {
            return Err(Error::Invalid(format!("name 1 to {LETTERS_MAX} dead letters")));
        }
        let mut seen = BTreeSet::new();
        let once = ids.into_iter().filter(|id| seen.insert(id.clone()));
        let settled = once.map(|id| async move {
            let letter = self.settle_dead_letter(asked, &id, how).await;
            (id, letter)
        });
        Ok(join_all(settled).await)
    }

    async fn settle(&self, asked: &Asked, letter: DeadLetter, how: Settling) -> Result<DeadLetter> {
        let mut progress = Progress::new(letter.consumer);
        progress.settled.push(letter.message.id.clone());
        if how == Settling::Replay {
            progress.wait.push(Waiting {
                message: letter.message.clone(),
                sequence: letter.sequence,
                tries: 0,
                next_at: self.ports.clock.now(),
                cause: format!("replayed by {}", asked.by.scope()),
            });
        }
        self.ports.inbox.store(progress).await?;
        Ok(letter)
    }
}
