//! One run: its servers, its shop, and what its loads have been promised so far.
//!
//! What holds: everything placed in a run is noted here, also what a warm-up placed; a measurement begins only when the
//! server has nothing left to do for the one before. A scenario that needs a server of another kind opens a session
//! beside this one, whose books are checked just as well.

use anyhow::{Context, Result};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tempfile::TempDir;

use crate::api::{self, Api};
use crate::backlog;
use crate::child::{self, Bare, Children, Doos};
use crate::integrity::{self, Scope, Verdict};
use crate::load::{Load, Pace, Tally, Work};
use crate::notes::Notes;
use crate::options::Options;
use crate::progress::Progress;
use crate::report::{self, GrowthStep, Row, Yardstick};
use crate::work::{Buyer, Buyers, Expected, Products};

/// Plenty: no load of a run can sell it out.
const PLENTY: i64 = 100_000_000;

pub struct Session<'a> {
    pub options: &'a Options,
    children: Children,
    pub progress: Progress,
    pub dir: TempDir,
    /// What the server is given of surroundings, again at each start.
    environment: Vec<(String, String)>,
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
    /// Every bare server that was started.
    bare: Vec<Bare>,
    pub rows: Vec<Row>,
    pub yardsticks: Vec<Yardstick>,
    pub growth: Vec<GrowthStep>,
    /// Of the sessions beside this one.
    pub verdict: Verdict,
}

impl<'a> Session<'a> {
    pub fn open(options: &'a Options, children: Children, progress: Progress) -> Result<Self> {
        Self::open_with(options, children, progress, Vec::new())
    }

    fn open_with(
        options: &'a Options,
        children: Children,
        progress: Progress,
        environment: Vec<(String, String)>,
    ) -> Result<Self> {
        let place = options.directory.clone().unwrap_or_else(std::env::temp_dir);
        let dir = tempfile::Builder::new().prefix("doos-bench-").tempdir_in(&place);
        let dir = dir.with_context(|| format!("no directory can be made in {}", place.display()))?;
        let (own, target, token) = match &options.target {
            Some(target) => (None, target.address, target.token.clone()),
            None => {
                progress.say("starting a server of its own");
                let doos = child::start_doos(&children, &options.program, dir.path(), &environment)?;
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
            environment,
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
            bare: Vec::new(),
            rows: Vec::new(),
            yardsticks: Vec::new(),
            growth: Vec::new(),
            verdict: Verdict::default(),
        };
        session.progress.say(&format!("filling the shop with {} products", options.products));
        let ids = (0..options.products).map(|_| session.new_product(PLENTY)).collect::<Result<_>>()?;
        session.products = Arc::new(Products::zipf(ids));
        Ok(session)
    }

    /// A server of another kind beside this one, with a shop and books of its own. None where the run loads a server
    /// that is not its own.
    pub fn beside(&self, environment: &[(&str, &str)]) -> Result<Option<Session<'a>>> {
        if self.own.is_none() {
            self.progress.say("left out: it needs a server of the run's own");
            return Ok(None);
        }
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self::open_with(self.options, self.children.clone(), self.progress, environment.collect()).map(Some)
    }

    /// Ends a session beside this one: its books are checked, and what it found is taken over.
    pub fn take(&mut self, mut other: Session<'a>) -> Result<()> {
        self.verdict.merge(other.check_books()?);
        self.rows.append(&mut other.rows);
        self.growth.append(&mut other.growth);
        Ok(())
    }

    /// Kills the server and starts it again on its data; the times are those of a start after a crash.
    pub fn restart(&mut self) -> Result<()> {
        let own = self.own.take().context("a server of the run's own")?;
        self.children.stop(own.pid);
        let started = child::start_doos(&self.children, &self.options.program, self.dir.path(), &self.environment)?;
        self.target = started.address;
        self.api = Api::new(started.address, Some(&started.token));
        self.own = Some(started);
        Ok(())
    }

    /// What was promised, compared with what is there, here and in the sessions beside.
    pub fn check_books(&mut self) -> Result<Verdict> {
        self.progress.say(&format!("checking the books of {} orders", self.notes.acknowledged.len()));
        self.settle()?;
        let scope = if self.own.is_some() { Scope::Everything } else { Scope::Own };
        let seen = integrity::read(&mut self.api, scope, &self.notes.acknowledged, &self.given)?;
        let mut verdict = std::mem::take(&mut self.verdict);
        verdict.merge(integrity::check(&self.notes, &seen));
        self.progress.say(if verdict.holds() { "the books are right" } else { "the books are WRONG" });
        Ok(verdict)
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
        let begun_ns = self.cpu_ns(load.target);
        let (mut tally, notes) = load.run(make)?;
        tally.server_cpu_ns = self.cpu_since(load.target, begun_ns);
        self.notes.merge(notes);
        Ok(tally)
    }

    /// Puts a load on, then waits until nothing is left to do for it; that work is the server's time as well.
    pub fn run_and_settle<W: Work>(&mut self, load: &Load, make: impl Fn(usize) -> W + Sync) -> Result<Tally> {
        let begun_ns = self.cpu_ns(load.target);
        let mut tally = self.run(load, make)?;
        self.settle()?;
        tally.server_cpu_ns = self.cpu_since(load.target, begun_ns);
        Ok(tally)
    }

    /// Places orders, then waits until nothing is left to do for them.
    pub fn place(&mut self, load: &Load, buyers: &Buyers) -> Result<Tally> {
        self.run_and_settle(load, |connection| Buyer::new(buyers.clone(), connection as u64))
    }

    /// The processor time of a server so far, if it is a process of ours.
    pub fn cpu_ns(&self, server: SocketAddr) -> Option<u64> {
        let own = self.own.as_ref().filter(|own| own.address == server).map(|own| own.pid);
        let bare = || self.bare.iter().find(|bare| bare.address == server).map(|bare| bare.pid);
        report::cpu_ns_of(own.or_else(bare)?)
    }

    pub fn cpu_since(&self, server: SocketAddr, begun_ns: Option<u64>) -> Option<u64> {
        Some(self.cpu_ns(server)?.saturating_sub(begun_ns?))
    }

    pub fn settle(&mut self) -> Result<f64> {
        backlog::settle(&mut self.api)
    }

    /// The bare server for orders, started when it is first needed; none if yardsticks are not wanted.
    pub fn bare(&mut self) -> Result<Option<SocketAddr>> {
        if self.measures_yardsticks() && self.bare_http.is_none() {
            self.bare_http = Some(self.start_bare(&["http"])?);
        }
        Ok(self.bare_http)
    }

    /// A bare server that answers every read with these bytes.
    pub fn bare_answering(&mut self, answer: &[u8]) -> Result<Option<SocketAddr>> {
        if !self.measures_yardsticks() {
            return Ok(None);
        }
        let file = self.dir.path().join("answer.json");
        std::fs::write(&file, answer)?;
        let file = file.to_str().context("the temporary directory has a strange name")?;
        self.start_bare(&["http", "--answer", file]).map(Some)
    }

    pub fn bare_grpc(&mut self) -> Result<Option<SocketAddr>> {
        if self.measures_yardsticks() && self.bare_grpc.is_none() {
            self.bare_grpc = Some(self.start_bare(&["grpc"])?);
        }
        Ok(self.bare_grpc)
    }

    fn start_bare(&mut self, arguments: &[&str]) -> Result<SocketAddr> {
        let bare = child::start_yardstick(&self.children, &self.options.program, arguments)?;
        self.bare.push(bare);
        Ok(bare.address)
    }

    /// At a fixed rate both would do the same.
    pub fn measures_yardsticks(&self) -> bool {
        self.options.yardsticks && self.options.rate_per_s.is_none()
    }
}

impl Drop for Session<'_> {
    /// The directory is removed when nothing writes to it any more.
    fn drop(&mut self) {
        let own = self.own.as_ref().map(|own| own.pid);
        own.into_iter().chain(self.bare.iter().map(|bare| bare.pid)).for_each(|pid| self.children.stop(pid));
    }
}
