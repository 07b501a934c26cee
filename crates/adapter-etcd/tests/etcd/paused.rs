//! A holder in a process of its own, stopped past its lease.

use doos_adapter_etcd::Options;
use doos_ports::registry::{Error, Standing};
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::engine::{self, within};

const PREFIX: &str = "DOOS_TEST_HOLDER_PREFIX";
const MARK: &str = "HOLDER ";

/// Not a test of its own: the other process. It takes a name and a number, and answers on its standard output what it
/// is asked on its standard input.
#[test]
fn the_holder() {
    let Ok(prefix) = std::env::var(PREFIX) else { return };
    let options = Options { prefix, ..engine::options().unwrap() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (registry, lease, worker) = runtime.block_on(async {
        let registry = engine::open(&options);
        let lease = within("a name", registry.acquire("gate")).await.unwrap();
        let worker = registry.worker_number().await.unwrap();
        (registry, lease, worker)
    });
    println!("{MARK}{} {}", lease.fence(), worker.number);
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            // On this thread alone, so that nothing else has run since the process went on.
            "standing" => println!("{MARK}{:?} {:?}", lease.standing(), worker.lease.standing()),
            "lost" => {
                runtime.block_on(async { futures::join!(lease.lost(), worker.lease.lost()) });
                println!("{MARK}{:?} {:?}", lease.standing(), worker.lease.standing());
            }
            "again" => {
                let refused = runtime.block_on(registry.worker_number());
                println!("{MARK}{}", matches!(refused, Err(Error::NoWorkerNumber { count: 64 })));
            }
            other => panic!("{other}"),
        }
    }
}

struct Holder {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    fn start(prefix: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "paused::the_holder", "--nocapture"])
            .env(PREFIX, prefix)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, output }
    }

    fn ask(&mut self, what: &str) {
        writeln!(self.input, "{what}").unwrap();
    }

    fn answer(&mut self) -> String {
        let answers = self.output.by_ref().map_while(Result::ok);
        let mut own = answers.filter_map(|line| line.split_once(MARK).map(|(_, own)| own.to_owned()));
        own.next().expect("the holder answers until it is ended")
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, pid.as_str()]).status().unwrap().success());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_holder_that_was_stopped_past_its_lease_shares_neither_its_name_nor_its_number() {
    engine::run(async |options| {
        let mut holder = Holder::start(&options.prefix);
        let held = holder.answer();
        let (fence, number) = held.split_once(' ').unwrap();
        let (fence, number): (u64, u8) = (fence.parse().unwrap(), number.parse().unwrap());
        holder.ask("standing");
        assert_eq!(holder.answer(), "Sure Sure");

        holder.signal("-STOP");
        // It will read this before anything else when it goes on.
        holder.ask("standing");
        let registry = engine::open(&options);
        let lease = within("the take-over", registry.acquire("gate")).await.unwrap();
        assert!(lease.fence() > fence);
        let mut workers = Vec::new();
        for _ in 0..64 {
            workers.push(registry.worker_number().await.unwrap());
        }
        assert_eq!(workers[63].number, number, "the number of one that was stopped is handed out last");

        holder.signal("-CONT");
        let standing = holder.answer();
        assert!(!standing.contains("Sure "), "{standing}");
        assert!(["Unsure Unsure", "Unsure Lost", "Lost Lost"].contains(&standing.as_str()), "{standing}");
        holder.ask("lost");
        assert_eq!(holder.answer(), "Lost Lost");
        holder.ask("again");
        assert_eq!(holder.answer(), "true", "all 64 numbers are ours");
        assert!(lease.is_sure() && workers.iter().all(|worker| worker.lease.is_sure()));
    });
}

#[test]
fn a_holder_that_was_stopped_for_less_than_its_lease_goes_on() {
    engine::run(async |options| {
        let mut holder = Holder::start(&options.prefix);
        let fence: u64 = holder.answer().split_once(' ').unwrap().0.parse().unwrap();
        let registry = engine::open(&options);
        registry.ready().await.unwrap();
        for _ in 0..3 {
            holder.signal("-STOP");
            tokio::time::sleep(Duration::from_millis(300)).await;
            holder.signal("-CONT");
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        let view = engine::seen(&registry, |view| view.is_current).await;
        assert_eq!(view.holders["gate"].fence, fence);
        holder.ask("standing");
        assert_eq!(holder.answer(), "Sure Sure");
    });
}

#[test]
fn a_killed_holder_is_followed_within_its_lease() {
    engine::run(async |options| {
        let mut holder = Holder::start(&options.prefix);
        let fence: u64 = holder.answer().split_once(' ').unwrap().0.parse().unwrap();
        holder.signal("-KILL");
        let registry = engine::open(&options);
        let lease = within("the take-over", registry.acquire("gate")).await.unwrap();
        assert!(lease.fence() > fence);
        assert_eq!(lease.standing(), Standing::Sure);
    });
}
