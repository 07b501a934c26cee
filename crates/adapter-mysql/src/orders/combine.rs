//! Many callers asking for one row each become one statement for all of them.
//!
//! As with writes, the group is whatever came while the last statement was under way. Nobody owns a task: of those who
//! wait, one asks for all. If that one is dropped half way, those who relied on it ask anew; a read may be repeated.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, oneshot};

use crate::error::Fault;

/// Statements under way at once.
const AT_ONCE: usize = 2;
/// Rows of one statement.
const ROWS_MAX: usize = 256;

type Reply<V> = oneshot::Sender<Result<Option<V>, Fault>>;

pub(super) struct Combiner<K, V> {
    waiting: Mutex<Vec<(K, Reply<V>)>>,
    turns: Semaphore,
}

impl<K, V> Default for Combiner<K, V> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Combiner<K, V> {
    pub async fn get<F>(&self, key: K, fetch: impl Fn(Vec<K>) -> F) -> Result<Option<V>, Fault>
    where
        F: Future<Output = Result<HashMap<K, V>, Fault>>,
    {
        loop {
            let (reply, mut told) = oneshot::channel();
            self.waiting().push((key, reply));
            let turn = tokio::select! {
                biased;
                answer = &mut told => match answer {
                    Ok(answer) => return answer,
                    Err(_) => continue,
                },
                turn = self.turns.acquire() => turn.expect("nobody closes the semaphore"),
            };
            self.ask_for_all(&fetch).await;
            drop(turn);
            // Either it was in the group just asked for, or somebody else has taken it along.
            if let Ok(answer) = told.await {
                return answer;
            }
        }
    }

    async fn ask_for_all<F>(&self, fetch: &impl Fn(Vec<K>) -> F)
    where
        F: Future<Output = Result<HashMap<K, V>, Fault>>,
    {
        loop {
            let group: Vec<_> = {
                let mut waiting = self.waiting();
                let count = waiting.len().min(ROWS_MAX);
                waiting.drain(..count).collect()
            };
            if group.is_empty() {
                return;
            }
            let found = fetch(group.iter().map(|(key, _)| *key).collect()).await;
            for (key, reply) in group {
                let answer = match &found {
                    Ok(rows) => Ok(rows.get(&key).cloned()),
                    Err(fault) => Err(fault.clone()),
                };
                // Whoever has hung up needs no answer.
                let _ = reply.send(answer);
            }
            if self.waiting().len() < ROWS_MAX {
                return;
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(K, Reply<V>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn whoever_asks_at_once_shares_a_statement() {
        let combiner: Combiner<u64, u64> = Combiner::default();
        let statements = AtomicUsize::new(0);
        let fetch = |keys: Vec<u64>| {
            statements.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                Ok(keys.into_iter().filter(|key| key % 2 == 0).map(|key| (key, key * 10)).collect())
            }
        };
        let told = join_all((0..200).map(|key| combiner.get(key, fetch))).await;
        for (key, answer) in (0..).zip(told) {
            assert_eq!(answer.unwrap(), (key % 2 == 0).then_some(key * 10));
        }
        assert!(statements.load(Ordering::Relaxed) < 20, "{statements:?}");
    }

    #[tokio::test]
    async fn whoever_relied_on_one_that_hung_up_asks_anew() {
        let combiner: Combiner<u64, u64> = Combiner::default();
        let stuck = |_: Vec<u64>| futures::future::pending();
        let works = |keys: Vec<u64>| async move { Ok(keys.into_iter().map(|key| (key, key)).collect()) };
        let mut first = Box::pin(combiner.get(1, stuck));
        let mut second = Box::pin(combiner.get(2, stuck));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        let mut third = Box::pin(combiner.get(3, works));
        assert!(third.as_mut().now_or_never().is_none(), "both turns are taken");
        drop((first, second));
        assert_eq!(third.await.unwrap(), Some(3));
    }
}
