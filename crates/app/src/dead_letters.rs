//! Dead letters: read them, put them back in line, or give them up.
//!
//! What holds: a replayed letter goes to the end of its order's line at its consumer, with fresh tries; replaying twice
//! is harmless, because every consumer does a message once in effect. A discard is final and says who did it.

use doos_domain::ids::MessageId;
use doos_ports::inbox::{DeadLetter, Progress, Waiting};

use crate::{App, Error, Principal, Result};

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

    /// Puts the letter back in line. Its consumer takes it up at once.
    pub async fn replay_dead_letter(&self, principal: &Principal, id: &MessageId) -> Result<DeadLetter> {
        let letter = self.dead_letter(principal, id).await?;
        let mut progress = Progress::new(letter.consumer);
        progress.settled.push(letter.message.id.clone());
        progress.wait.push(Waiting {
            message: letter.message.clone(),
            sequence: letter.sequence,
            tries: 0,
            next_at: self.ports.clock.now(),
            cause: format!("replayed by {}", principal.scope()),
        });
        self.ports.inbox.store(progress).await?;
        tracing::info!(message_id = %id, by = principal.scope(), "dead letter replayed");
        Ok(letter)
    }

    pub async fn discard_dead_letter(&self, principal: &Principal, id: &MessageId) -> Result<DeadLetter> {
        let letter = self.dead_letter(principal, id).await?;
        let mut progress = Progress::new(letter.consumer);
        progress.settled.push(letter.message.id.clone());
        self.ports.inbox.store(progress).await?;
        tracing::warn!(message_id = %id, by = principal.scope(), cause = letter.cause, "dead letter discarded");
        Ok(letter)
    }
}
