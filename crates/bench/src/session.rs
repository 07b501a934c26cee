//! One run: its servers, its shop, and what its loads have been promised so far.
//!
//! What holds: everything placed in a run is noted here, also what a warm-up placed; a measurement begins only when the
//! server has nothing left to do for the one before.

use anyhow::{Context, Result};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tempfile::TempDir;

use crate::api::{self, Api};
use crate::backlog;
use crate::child::{self, Doos, Guard};
use crate::clock::Clock;
use crate::load::{Load, Pace, Tally, Work};
use crate::notes::Notes;
use crate::options::Options;
use crate::progress::Progress;
use crate::report::{Against, Goal, Row, Yardstick, median};
use crate::work::{Buyer, Buyers, Expected, Products};

/// Plenty: no load of a run can sell it out.
const PLENTY: i64 = 100_000_000;
const WARM_UP_S: f64 = 0.5;

pub struct Session<'a> {
    pub options: &'a Options,
    pub children: Guard,
    pub progress: Progress,
    // Goes after the children: the directory is removed when nothing writes to it any more.
    pub dir: TempDir,
    pub own: Option<Doos>,
    pub target: SocketAddr,
    /// Of the load; our own server takes it without one, as a shop on one machine does.
    token: Option<String>,
    pub api: Api,
    /// Shared by everything that places orders, so that no two orders of a run are one user's.
    pub last_user: Arc<AtomicU64>,
    pub products: Arc<Products>,
    /// Each product of the run, with the stock it was given.
    pub given: Vec<(u64, i64)>,
    pub notes: Notes,
    bare_http: Option<SocketAddr>,
    bare_grpc: Option<SocketAddr>,
    pub rows: Vec<Row>,
    pub yardsticks: Vec<Yardstick>,
}

/// What a comparison found, round by round.
#[derive(Default)]
pub struct Rounds {
    pub tally: Tally,
    pub per_s: Vec<f64>,
}

impl Rounds {
    pub fn add(&mut self, tally: &Tally) {
        self.per_s.push(tally.per_s());
        self.tally.merge(tally);
    }

    pub fn median_per_s(&self) -> f64 {
        median(&self.per_s)
    }
}

/// The load of a scenario, for so many seconds.
type Run<'r, 'a> = &'r mut dyn FnMut(&mut Session<'a>, f64) -> Result<Tally>;

impl<'a> Session<'a> {
    pub fn open(options: &'a Options, children: Guard, progress: Progress) -> Result<Self> {
        let place = options.directory.clone().unwrap_or_else(std::env::temp_dir);
        let dir = tempfile::Builder::new().prefix("doos-bench-").tempdir_in(&place);
        let dir = dir.with_context(|| format!("no directory can be made in {}", place.display()))?;
        // Declared after the directory, so that a failure ends them before it is removed.
        let children = children;
        let (own, target, token) = match &options.target {
            Some(target) => (None, target.address, target.token.clone()),
            None => {
                progress.say("starting a server of its own");
                let doos = child::start_doos(&children.0, &options.program, dir.path())?;
                let (address, token) = (doos.address, doos.token.clone());
                (Some(doos), address, token)
            }
        };
        // On a server with orders of its own, users are drawn far apart, so that two runs hardly meet.
        let first_user = if own.is_some() { 0 } else { fastrand::u64(1..900_000_000_000) };
        let mut session = Self {
            options,
            children,
            progress,
            dir,
            target,
            token: own.is_none().then(|| token.clone()),
            own,
            api: Api::new(target, Some(&token)),
            last_user: Arc::new(AtomicU64::new(first_user)),
            products: Arc::new(Products::one(1)),
            given: Vec::new(),
            notes: Notes::default(),
            bare_http: None,
            bare_grpc: None,
            rows: Vec::new(),
            yardsticks: Vec::new(),
        };
        session.progress.say(&format!("filling the shop with {} products", options.products));
        let ids = (0..options.products).map(|_| session.new_product(PLENTY)).collect::<Result<_>>()?;
        session.products = Arc::new(Products::zipf(ids));
        Ok(session)
    }

    pub fn new_product(&mut self, units: i64) -> Result<u64> {
        let product = json!({ "name": "Kettle", "price": { "amount_minor": 9_999, "currency": "CNY" } });
        let made = self.api.post("/v1/products", &product).context("--token must be an operator's")?;
        let id: u64 = made["product_id"].as_str().context("a product without product_id")?.parse()?;
        if units > 0 {
            self.api.post(&format!("/v1/stock/{id}:receive"), &json!({ "quantity": units }))?;
        }
        self.given.push((id, units));
        Ok(id)
    }

    /// The headers of the load's calls to the measured server.
    pub fn headers(&self) -> String {
        api::headers(self.target, self.token.as_deref())
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub fn buyers(&self, products: &Arc<Products>, expected: Expected) -> Buyers {
        Buyers {
            products: Arc::clone(products),
            last_user: Arc::clone(&self.last_user),
            expected,
            headers: self.headers(),
            repeats_per_mille: None,
            notes_orders: true,
            sampler: None,
        }
    }

    /// The same calls for the bare server, whose answers are not orders.
    pub fn bare_buyers(&self, bare: SocketAddr) -> Buyers {
        let headers = api::headers(bare, None);
        Buyers { headers, notes_orders: false, ..self.buyers(&self.products, Expected::Sold) }
    }

    /// The load that was asked for: as fast as it is answered, or at `--rate`.
    pub fn load(&self, target: SocketAddr, seconds: f64) -> Load {
        let pace = self.options.rate_per_s.map_or(Pace::Closed, |rate| Pace::Open { rate_per_s: rate as f64 });
        Load {
            target,
            connections: self.options.connections as usize,
            threads: self.options.threads as usize,
            pace,
            seconds,
            count_max: self.options.count,
        }
    }

    /// Puts a load on, and keeps what it was promised.
    pub fn run<W: Work>(&mut self, load: &Load, make: impl Fn(usize) -> W + Sync) -> Result<Tally> {
        let (tally, notes) = load.run(make)?;
        self.notes.merge(notes);
        Ok(tally)
    }

    /// Places orders, then waits until nothing is left to do for them.
    pub fn place(&mut self, load: &Load, buyers: &Buyers) -> Result<Tally> {
        let tally = self.run(load, |connection| Buyer::new(buyers.clone(), connection as u64))?;
        self.settle()?;
        Ok(tally)
    }

    pub fn settle(&mut self) -> Result<f64> {
        backlog::settle(&mut self.api)
    }

    /// The bare server for orders, started when it is first needed; none if yardsticks are not wanted.
    pub fn bare(&mut self) -> Result<Option<SocketAddr>> {
        if self.measures_yardsticks() && self.bare_http.is_none() {
            self.bare_http = Some(child::start_yardstick(&self.children.0, &self.options.program, &["http"])?);
        }
        Ok(self.bare_http)
    }

    /// A bare server that answers every read with these bytes.
    pub fn bare_answering(&self, answer: &[u8]) -> Result<Option<SocketAddr>> {
        if !self.measures_yardsticks() {
            return Ok(None);
        }
        let file = self.dir.path().join("answer.json");
        std::fs::write(&file, answer)?;
        let file = file.to_str().context("the temporary directory has a strange name")?;
        child::start_yardstick(&self.children.0, &self.options.program, &["http", "--answer", file]).map(Some)
    }

    pub fn bare_grpc(&mut self) -> Result<Option<SocketAddr>> {
        if self.measures_yardsticks() && self.bare_grpc.is_none() {
            let started = child::start_yardstick(&self.children.0, &self.options.program, &["grpc"]);
            self.bare_grpc = Some(started?);
        }
        Ok(self.bare_grpc)
    }

    /// At a fixed rate both would do the same.
    pub fn measures_yardsticks(&self) -> bool {
        self.options.yardsticks && self.options.rate_per_s.is_none()
    }

    /// Ours, theirs, ours, theirs …, each for the seconds of the run, after a warm-up of both.
    pub fn compare(
        &mut self,
        name: &str,
        ours: Run<'_, 'a>,
        theirs: Option<Run<'_, 'a>>,
    ) -> Result<(Rounds, Option<Rounds>)> {
        let seconds = self.options.seconds as f64;
        let mut theirs = theirs;
        // With a count, a warm-up would be a whole run.
        if self.options.count.is_none() && self.options.rate_per_s.is_none() {
            self.progress.say(&format!("{name}: warming up"));
            ours(self, WARM_UP_S)?;
            if let Some(theirs) = theirs.as_deref_mut() {
                theirs(self, WARM_UP_S)?;
            }
        }
        let (mut found, mut bare) = (Rounds::default(), Rounds::default());
        for round in 1..=self.options.rounds {
            let clock = Clock::start();
            found.add(&ours(self, seconds)?);
            let mut words = format!("{name}: round {round} of {}, {:.0}/s", self.options.rounds, last(&found));
            if let Some(theirs) = theirs.as_deref_mut() {
                bare.add(&theirs(self, seconds)?);
                words = format!("{words} next to {:.0}/s", last(&bare));
            }
            self.progress.say(&format!("{words} ({:.0} s)", clock.seconds()));
        }
        Ok((found, theirs.is_some().then_some(bare)))
    }

    /// Adds what a comparison found to the report.
    pub fn report(
        &mut self,
        scenario: &'static str,
        what: &str,
        found: &Rounds,
        against: Option<(&str, &Rounds)>,
    ) -> &mut Row {
        let mut numbers = found.tally.numbers();
        numbers.per_s = found.median_per_s();
        let against = against.map(|(name, theirs)| {
            let ratios: Vec<f64> = found.per_s.iter().zip(&theirs.per_s).map(|(ours, theirs)| ours / theirs).collect();
            Against {
                name: name.to_owned(),
                per_s: theirs.median_per_s(),
                latency: theirs.tally.latency.percentiles(),
                ratio: median(&ratios),
                rounds_per_s: theirs.per_s.clone(),
            }
        });
        let mut row = Row {
            scenario,
            what: what.to_owned(),
            rounds_per_s: found.per_s.clone(),
            numbers,
            against,
            goal: None,
            remarks: Vec::new(),
        };
        row.remark_failures();
        self.rows.push(row);
        self.rows.last_mut().expect("it was pushed just now")
    }
}

fn last(rounds: &Rounds) -> f64 {
    rounds.per_s.last().copied().unwrap_or_default()
}

impl Row {
    /// What a rate alone would hide.
    fn remark_failures(&mut self) {
        let numbers = &self.numbers;
        if numbers.unsent > 0 {
            self.remarks.push(format!("{} arrivals were never sent: the load had to end", numbers.unsent));
        }
        for (cause, times) in &numbers.causes {
            self.remarks.push(format!("{times} calls failed: {cause}"));
        }
    }

    /// The goal for the ratio, where there is one.
    pub fn expect_ratio(&mut self, least: f64) {
        self.goal = self.against.as_ref().map(|against| Goal::at_least(least, against.ratio));
    }

    pub fn expect_p99(&mut self, most_ms: f64) {
        self.goal = self.numbers.latency.map(|latency| Goal::below_ms("p99", most_ms, latency.p99_ms));
    }
}
