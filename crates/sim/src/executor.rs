//! One thread that owns every task, the time and the chance: the same seed polls the same tasks in the same order.
//!
//! What holds: a task is polled only when it was woken; which of the ready ones comes next is drawn from the seed; time
//! stands still while anything is ready, then leaps to the next timer. A node's crash drops all its tasks at whatever
//! await they stand. A bomb crashes a node after so many more of its polls, so that crashes fall between any two steps
//! and not only where time passes.
//!
//! What must never happen here: a thread, a wall clock, an order that depends on addresses or hashes.

use doos_adapter_sim::{Pause, SimRuntime};
use doos_domain::ids::EPOCH_MILLIS;
use doos_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::trace::Trace;

pub type NodeId = u32;
type TaskId = u64;
type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where virtual time begins: some hours into 2026, so that clocks may step back without reaching the ids' epoch.
const START_MS: i64 = EPOCH_MILLIS + 36_000_000;

struct Task {
    node: NodeId,
    /// `None` while it is being polled.
    job: Option<Job>,
    waker: Waker,
}

struct Core {
    now_ms: u64,
    tasks: BTreeMap<TaskId, Task>,
    last_task: TaskId,
    timers: BTreeMap<(u64, u64), Waker>,
    last_timer: u64,
    chance: fastrand::Rng,
    /// Polls left until the node crashes.
    bombs: BTreeMap<NodeId, u64>,
    crashed: Vec<NodeId>,
    polls: u64,
}

/// Shared by the executor's handle and by every future it runs.
pub struct Executor {
    core: Mutex<Core>,
    ready: Arc<Mutex<Vec<TaskId>>>,
    /// The application's jitter has its own source, so that it does not shift the schedule.
    jitter: Mutex<fastrand::Rng>,
    pub trace: Trace,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Polled,
    TimePassed,
    /// Nothing is ready and no timer is set: nothing will ever happen again.
    Stuck,
}

struct TaskWaker {
    task: TaskId,
    ready: Arc<Mutex<Vec<TaskId>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut ready = lock(&self.ready);
        if !ready.contains(&self.task) {
            ready.push(self.task);
        }
    }
}

impl Executor {
    pub fn new(seed: u64) -> Arc<Self> {
        let core = Core {
            now_ms: 0,
            tasks: BTreeMap::new(),
            last_task: 0,
            timers: BTreeMap::new(),
            last_timer: 0,
            chance: fastrand::Rng::with_seed(seed),
            bombs: BTreeMap::new(),
            crashed: Vec::new(),
            polls: 0,
        };
        let jitter = Mutex::new(fastrand::Rng::with_seed(seed ^ 0x6a69_7474_6572));
        Arc::new(Self { core: Mutex::new(core), ready: Arc::default(), jitter, trace: Trace::default() })
    }

    /// Starts a task on a node; it dies with the node.
    pub fn spawn(&self, node: NodeId, job: impl Future<Output = ()> + Send + 'static) {
        let mut core = lock(&self.core);
        core.last_task += 1;
        let id = core.last_task;
        let waker = Waker::from(Arc::new(TaskWaker { task: id, ready: Arc::clone(&self.ready) }));
        core.tasks.insert(id, Task { node, job: Some(Box::pin(job)), waker });
        drop(core);
        lock(&self.ready).push(id);
    }

    /// Drops all tasks of a node, whatever they were waiting for. A task that is being polled right now dies once it
    /// returns.
    pub fn crash(&self, node: NodeId) {
        self.note(|| format!("node {node} crashes"));
        let dead: Vec<Task> = {
            let mut core = lock(&self.core);
            core.bombs.remove(&node);
            let dead: Vec<TaskId> =
                core.tasks.iter().filter(|(_, task)| task.node == node).map(|(id, _)| *id).collect();
            dead.iter().filter_map(|id| core.tasks.remove(id)).collect()
        };
        // Outside of the lock: what they hold may wake others when it is dropped.
        drop(dead);
    }

    /// Lets the node crash after so many more polls of its tasks; [`take_crashed`](Self::take_crashed) tells.
    pub fn arm(&self, node: NodeId, polls: u64) {
        lock(&self.core).bombs.insert(node, polls.max(1));
    }

    pub fn disarm_all(&self) {
        lock(&self.core).bombs.clear();
    }

    /// The nodes whose bombs went off since the last call.
    pub fn take_crashed(&self) -> Vec<NodeId> {
        std::mem::take(&mut lock(&self.core).crashed)
    }

    pub fn polls(&self) -> u64 {
        lock(&self.core).polls
    }

    /// A number from 0 up to `most`, from the schedule's own source.
    pub fn up_to(&self, most: u64) -> u64 {
        lock(&self.core).chance.u64(0..=most)
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        self.trace.note(lock(&self.core).now_ms, line);
    }

    /// Polls one ready task, or lets time pass.
    pub fn step(&self) -> Step {
        let next = {
            let mut ready = lock(&self.ready);
            let count = ready.len();
            if count == 0 { None } else { Some(ready.swap_remove(lock(&self.core).chance.usize(0..count))) }
        };
        match next {
            Some(id) => {
                self.poll(id);
                Step::Polled
            }
            None => self.pass_time(),
        }
    }

    /// Steps until `done` says so or virtual time has reached `until_ms`. Returns whether `done` was the reason.
    pub fn run(&self, until_ms: u64, mut done: impl FnMut(Step) -> bool) -> bool {
        loop {
            let step = self.step();
            if done(step) {
                return true;
            }
            if step == Step::Stuck || lock(&self.core).now_ms >= until_ms {
                return false;
            }
        }
    }

    fn poll(&self, id: TaskId) {
        let (mut job, waker, node) = {
            let mut core = lock(&self.core);
            let Some(task) = core.tasks.get_mut(&id) else { return };
            let Some(job) = task.job.take() else { return };
            let found = (job, task.waker.clone(), task.node);
            core.polls += 1;
            found
        };
        let ended = job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        self.trace.step(lock(&self.core).now_ms, id);
        let gone = {
            let mut core = lock(&self.core);
            match core.tasks.get_mut(&id) {
                Some(task) if !ended => {
                    task.job = Some(job);
                    None
                }
                _ => {
                    core.tasks.remove(&id);
                    Some(job)
                }
            }
        };
        drop(gone);
        self.count_down(node);
    }

    fn count_down(&self, node: NodeId) {
        let goes_off = {
            let mut core = lock(&self.core);
            let Some(left) = core.bombs.get_mut(&node) else { return };
            *left -= 1;
            *left == 0
        };
        if goes_off {
            self.crash(node);
            lock(&self.core).crashed.push(node);
        }
    }

    fn pass_time(&self) -> Step {
        let due: Vec<Waker> = {
            let mut core = lock(&self.core);
            let Some((&(at, _), _)) = core.timers.first_key_value() else { return Step::Stuck };
            core.now_ms = core.now_ms.max(at);
            let later = core.timers.split_off(&(at + 1, 0));
            std::mem::replace(&mut core.timers, later).into_values().collect()
        };
        for waker in due {
            waker.wake();
        }
        Step::TimePassed
    }

    pub fn elapsed_ms(&self) -> u64 {
        lock(&self.core).now_ms
    }

    /// The runtime that engines and clocks are made of.
    pub fn runtime(self: &Arc<Self>) -> Arc<dyn SimRuntime> {
        Arc::new(Runtime(Arc::clone(self)))
    }

    pub fn sleep(self: &Arc<Self>, duration_ms: u64) -> Pause {
        let wake_at = self.elapsed_ms().saturating_add(duration_ms);
        Box::pin(Sleep { executor: Arc::clone(self), wake_at, timer: None, yields: duration_ms == 0 })
    }
}

/// A handle that engines may keep; the executor's own value is never moved.
struct Runtime(Arc<Executor>);

impl SimRuntime for Runtime {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START_MS).plus_millis(self.0.elapsed_ms().cast_signed())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.elapsed_ms())
    }

    fn sleep(&self, duration: Duration) -> Pause {
        self.0.sleep(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    fn random(&self) -> u64 {
        lock(&self.0.jitter).u64(..)
    }

    fn yield_now(&self) -> Pause {
        self.0.sleep(0)
    }
}

/// Ready once its time has come; a sleep of nothing lets everybody else go first, once.
struct Sleep {
    executor: Arc<Executor>,
    wake_at: u64,
    timer: Option<(u64, u64)>,
    yields: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.yields {
            self.yields = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut core = lock(&self.executor.core);
        if core.now_ms >= self.wake_at {
            return Poll::Ready(());
        }
        let key = self.timer.unwrap_or_else(|| {
            core.last_timer += 1;
            (self.wake_at, core.last_timer)
        });
        core.timers.insert(key, context.waker().clone());
        drop(core);
        self.timer = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            let waker = lock(&self.executor.core).timers.remove(&timer);
            drop(waker);
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // Tasks hold handles of this executor; the simulation ends them by hand, see `end`.
        debug_assert!(lock(&self.core).tasks.is_empty(), "a simulation must be ended before it is dropped");
    }
}

impl Executor {
    /// Drops every task, so that the circle of handles is broken.
    pub fn end(&self) {
        loop {
            let tasks = std::mem::take(&mut lock(&self.core).tasks);
            if tasks.is_empty() {
                return;
            }
            drop(tasks);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn time_passes_only_when_nothing_is_ready() {
        let executor = Executor::new(1);
        let seen = Arc::new(AtomicU64::new(0));
        for wait_ms in [500, 20, 0] {
            let (own, seen) = (Arc::clone(&executor), Arc::clone(&seen));
            executor.spawn(1, async move {
                own.sleep(wait_ms).await;
                assert_eq!(own.elapsed_ms(), wait_ms);
                seen.fetch_add(1, Ordering::Relaxed);
            });
        }
        executor.run(1_000, |_| false);
        assert_eq!((seen.load(Ordering::Relaxed), executor.elapsed_ms()), (3, 500));
    }

    #[test]
    fn a_crash_drops_the_tasks_of_its_node_and_no_other() {
        let executor = Executor::new(1);
        let ended = Arc::new(AtomicU64::new(0));
        for node in [1, 2] {
            let (own, ended) = (Arc::clone(&executor), Arc::clone(&ended));
            executor.spawn(node, async move {
                own.sleep(10).await;
                ended.fetch_add(u64::from(node), Ordering::Relaxed);
            });
        }
        executor.step();
        executor.crash(1);
        executor.run(100, |_| false);
        assert_eq!(ended.load(Ordering::Relaxed), 2);
        executor.end();
    }

    #[test]
    fn a_bomb_goes_off_between_two_polls() {
        let executor = Executor::new(1);
        let steps = Arc::new(AtomicU64::new(0));
        let (own, counted) = (Arc::clone(&executor), Arc::clone(&steps));
        executor.spawn(7, async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                own.sleep(0).await;
            }
        });
        executor.arm(7, 5);
        executor.run(100, |_| false);
        assert_eq!((steps.load(Ordering::Relaxed), executor.take_crashed()), (5, vec![7]));
    }

    #[test]
    fn the_seed_decides_who_goes_first() {
        let order_of = |seed| {
            let executor = Executor::new(seed);
            let order = Arc::new(Mutex::new(Vec::new()));
            for name in 0..8 {
                let order = Arc::clone(&order);
                executor.spawn(1, async move { lock(&order).push(name) });
            }
            executor.run(1, |_| false);
            lock(&order).clone()
        };
        assert_eq!(order_of(3), order_of(3));
        assert!((0..20).any(|seed| order_of(seed) != order_of(3)));
    }
}
