//! Groups form by themselves: whatever arrives while the previous flush is in flight makes the next group.
//!
//! What holds: no timers. One item alone is flushed at once; ten thousand at once cost a few flushes. The queue is
//! bounded and a full queue refuses at once. Every item gets exactly one reply; an item whose group was lost with its
//! flusher gets [`Error::Gone`], which means that its outcome is unknown. Shutdown drains: when every [`Sender`] is
//! dropped, the flusher sees the remaining groups and then the end.
//!
//! The queue works under any executor, and from plain threads through [`Receiver::next_group_blocking`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{mpsc, oneshot};

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Items that may wait; the next one is refused.
    pub queue_len_max: usize,
    pub group_len_max: usize,
    /// Sum of the items' weights in one group (bytes, usually); a single heavier item makes a group of its own.
    pub group_weight_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the queue is full")]
    Full,
    #[error("the flusher is gone; what became of the item is unknown")]
    Gone,
    #[error("the queue is closed; the item was not taken")]
    Closed,
}

struct Item<T, R> {
    value: T,
    weight: usize,
    reply: oneshot::Sender<R>,
}

/// The producers' end; cheap to clone.
pub struct Sender<T, R> {
    queue: mpsc::Sender<Item<T, R>>,
    depth: Arc<AtomicUsize>,
}

impl<T, R> Clone for Sender<T, R> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), depth: Arc::clone(&self.depth) }
    }
}

/// The flusher's end.
pub struct Receiver<T, R> {
    queue: mpsc::Receiver<Item<T, R>>,
    pulled: Vec<Item<T, R>>,
    /// Pulled but too heavy for the last group.
    left_over: VecDeque<Item<T, R>>,
    depth: Arc<AtomicUsize>,
    limits: Limits,
}

/// One group on its way to be flushed: the items in order of arrival, and where their replies go.
pub struct Group<T, R> {
    pub items: Vec<T>,
    replies: Vec<oneshot::Sender<R>>,
}

pub fn channel<T, R>(limits: Limits) -> (Sender<T, R>, Receiver<T, R>) {
    assert!(limits.queue_len_max > 0 && limits.group_len_max > 0, "a queue and a group have room for one item");
    let (sender, receiver) = mpsc::channel(limits.queue_len_max);
    let depth = Arc::new(AtomicUsize::new(0));
    let receiver =
        Receiver { queue: receiver, pulled: Vec::new(), left_over: VecDeque::new(), depth: Arc::clone(&depth), limits };
    (Sender { queue: sender, depth }, receiver)
}

/// The reply to one item, still to come.
pub struct Pending<R>(oneshot::Receiver<R>);

impl<R> Pending<R> {
    pub async fn reply(self) -> Result<R, Error> {
        self.0.await.map_err(|_| Error::Gone)
    }

    /// For plain threads; must not be called on an executor's thread.
    pub fn reply_blocking(self) -> Result<R, Error> {
        self.0.blocking_recv().map_err(|_| Error::Gone)
    }
}

impl<T, R> Sender<T, R> {
    /// Queues an item without waiting for room.
    pub fn submit(&self, value: T, weight: usize) -> Result<Pending<R>, Error> {
        let (reply, pending) = oneshot::channel();
        let permit = self.queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => Error::Full,
            mpsc::error::TrySendError::Closed(()) => Error::Closed,
        })?;
        self.depth.fetch_add(1, Ordering::Relaxed);
        permit.send(Item { value, weight, reply });
        Ok(Pending(pending))
    }

    /// Items waiting, those in flight not counted.
    pub fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }
}

impl<T, R> Receiver<T, R> {
    /// The next group, as soon as there is one item; `None` when no producer is left and all is drained.
    pub async fn next_group(&mut self) -> Option<Group<T, R>> {
        if self.left_over.is_empty() {
            let mut pulled = std::mem::take(&mut self.pulled);
            let count = self.queue.recv_many(&mut pulled, self.limits.group_len_max).await;
            self.left_over.extend(pulled.drain(..));
            self.pulled = pulled;
            if count == 0 {
                return None;
            }
        }
        Some(self.form_group())
    }

    pub fn next_group_blocking(&mut self) -> Option<Group<T, R>> {
        if self.left_over.is_empty() {
            let mut pulled = std::mem::take(&mut self.pulled);
            let count = self.queue.blocking_recv_many(&mut pulled, self.limits.group_len_max);
            self.left_over.extend(pulled.drain(..));
            self.pulled = pulled;
            if count == 0 {
                return None;
            }
        }
        Some(self.form_group())
    }

    fn form_group(&mut self) -> Group<T, R> {
        self.top_up();
        let mut group = Group { items: Vec::new(), replies: Vec::new() };
        let mut weight = 0_usize;
        while let Some(item) = self.left_over.pop_front() {
            let heavier = weight.saturating_add(item.weight);
            let full = group.items.len() == self.limits.group_len_max || heavier > self.limits.group_weight_max;
            if full && !group.items.is_empty() {
                self.left_over.push_front(item);
                break;
            }
            weight = heavier;
            group.items.push(item.value);
            group.replies.push(item.reply);
        }
        self.depth.fetch_sub(group.items.len(), Ordering::Relaxed);
        group
    }

    /// Items left over from the last group must not make this one smaller than it could be.
    fn top_up(&mut self) {
        while self.left_over.len() < self.limits.group_len_max {
            match self.queue.try_recv() {
                Ok(item) => self.left_over.push_back(item),
                Err(_) => return,
            }
        }
    }
}

impl<T, R> Group<T, R> {
    /// The items and, apart from them, the replies, for flushers that consume the items.
    pub fn into_parts(self) -> (Vec<T>, Replies<R>) {
        (self.items, Replies(self.replies))
    }
}

/// Where the replies of one group go, in the order of its items.
pub struct Replies<R>(Vec<oneshot::Sender<R>>);

impl<R> Replies<R> {
    /// A caller that has hung up misses its reply; the effect stands all the same.
    pub fn send(self, replies: impl IntoIterator<Item = R>) {
        let mut replies = replies.into_iter();
        for sender in self.0 {
            let reply = replies.next().expect("a flusher replies to every item of its group");
            let _ = sender.send(reply);
        }
    }
}

#[cfg(test)]
mod tests;
