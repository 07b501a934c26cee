//! Bugs put in on purpose, each of which the checks must find within so many seeds.
//!
//! What holds: a bug is a wrapper round a port, or a mutation of what a decision wants stored on its way to the port;
//! the code under test is what ships. A check that finds none of these is no check.
//!
//! Where to read next: `orders.rs`, `stock.rs`, `messages.rs`, `ids.rs` and `disk.rs` for the wrappers.

mod disk;
mod ids;
mod messages;
mod orders;
mod stock;

use doos_journal::Disk;
use doos_ports::Ports;
use doos_ports::stock_gate::StockGate;
use std::sync::Arc;

use crate::executor::{Executor, NodeId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    AcknowledgeBeforeCommit,
    ForgetAnswer,
    ForgetRelease,
    ForgetClosing,
    ForgetRefund,
    ForgetRecall,
    RefundTwice,
    WrongTotal,
    TakeUnknownForRefused,
    VoidNotStored,
    ReaderSeesUncommitted,
    ProgressWithoutEffects,
    EffectsAgain,
    DeductTwice,
    LateDeductPassesVoid,
    OutcomeNotSent,
    ReleaseGivesNothingBack,
    GateIgnoresNewerRows,
    GateSellsMoreThanFree,
    GateRefusesWhileFree,
    GateForgetsHolds,
    SkipLateMessages,
    MarkBeforePublish,
    ForgetWaiting,
    BookAgain,
    IdsRepeatAfterRestart,
    AcknowledgeBeforeSync,
}

impl Bug {
    pub const ALL: [Self; 27] = [
        Self::AcknowledgeBeforeCommit,
        Self::ForgetAnswer,
        Self::ForgetRelease,
        Self::ForgetClosing,
        Self::ForgetRefund,
        Self::ForgetRecall,
        Self::RefundTwice,
        Self::WrongTotal,
        Self::TakeUnknownForRefused,
        Self::VoidNotStored,
        Self::ReaderSeesUncommitted,
        Self::ProgressWithoutEffects,
        Self::EffectsAgain,
        Self::DeductTwice,
        Self::LateDeductPassesVoid,
        Self::OutcomeNotSent,
        Self::ReleaseGivesNothingBack,
        Self::GateIgnoresNewerRows,
        Self::GateSellsMoreThanFree,
        Self::GateRefusesWhileFree,
        Self::GateForgetsHolds,
        Self::SkipLateMessages,
        Self::MarkBeforePublish,
        Self::ForgetWaiting,
        Self::BookAgain,
        Self::IdsRepeatAfterRestart,
        Self::AcknowledgeBeforeSync,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::AcknowledgeBeforeCommit => "acknowledge-before-commit",
            Self::ForgetAnswer => "forget-answer",
            Self::ForgetRelease => "forget-release",
            Self::ForgetClosing => "forget-closing",
            Self::ForgetRefund => "forget-refund",
            Self::ForgetRecall => "forget-recall",
            Self::RefundTwice => "refund-twice",
            Self::WrongTotal => "wrong-total",
            Self::TakeUnknownForRefused => "take-unknown-for-refused",
            Self::VoidNotStored => "void-not-stored",
            Self::ReaderSeesUncommitted => "reader-sees-uncommitted",
            Self::ProgressWithoutEffects => "progress-without-effects",
            Self::EffectsAgain => "effects-again",
            Self::DeductTwice => "deduct-twice",
            Self::LateDeductPassesVoid => "late-deduct-passes-void",
            Self::OutcomeNotSent => "outcome-not-sent",
            Self::ReleaseGivesNothingBack => "release-gives-nothing-back",
            Self::GateIgnoresNewerRows => "gate-ignores-newer-rows",
            Self::GateSellsMoreThanFree => "gate-sells-more-than-free",
            Self::GateRefusesWhileFree => "gate-refuses-while-free",
            Self::GateForgetsHolds => "gate-forgets-holds",
            Self::SkipLateMessages => "skip-late-messages",
            Self::MarkBeforePublish => "mark-before-publish",
            Self::ForgetWaiting => "forget-waiting",
            Self::BookAgain => "book-again",
            Self::IdsRepeatAfterRestart => "ids-repeat-after-restart",
            Self::AcknowledgeBeforeSync => "acknowledge-before-sync",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| bug.name() == name)
    }

    /// Within so many seeds it must be caught. Most show at once; some need two rare things to meet.
    pub const fn seeds_max(self) -> u64 {
        match self {
            Self::VoidNotStored => 400,
            Self::LateDeductPassesVoid | Self::TakeUnknownForRefused | Self::ReaderSeesUncommitted => 100,
            _ => 40,
        }
    }
}

impl Bug {
    /// The first seed that shows it, with what was found.
    pub fn caught_by(self) -> Option<(u64, String)> {
        (0..self.seeds_max()).find_map(|seed| {
            let verdict = match self {
                // Only one of the worlds has a disk.
                Self::AcknowledgeBeforeSync => crate::embedded::run(seed, &Planted::with(self), false),
                _ => crate::cluster::run(seed, &Planted::with(self), false),
            };
            verdict.findings.first().map(|finding| (seed, format!("{finding:?}")))
        })
    }
}

/// At most one bug in a run.
#[derive(Clone, Debug, Default)]
pub struct Planted {
    bug: Option<Bug>,
}

/// Where a wrapper lives: what it starts dies with its node.
#[derive(Clone)]
pub(crate) struct Place {
    pub executor: Arc<Executor>,
    pub node: NodeId,
}

impl Planted {
    pub const NONE: Self = Self { bug: None };

    pub const fn with(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    pub const fn is_any(&self) -> bool {
        self.bug.is_some()
    }

    pub fn disk(&self, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        if self.bug == Some(Bug::AcknowledgeBeforeSync) { Arc::new(disk::LyingDisk(disk)) } else { disk }
    }

    pub fn gate(&self, gate: Arc<dyn StockGate>, executor: &Arc<Executor>) -> Arc<dyn StockGate> {
        match self.bug {
            Some(bug) => Arc::new(stock::BuggyGate { inner: gate, bug, executor: Arc::clone(executor) }),
            None => gate,
        }
    }

    pub fn wrap(&self, mut ports: Ports, executor: &Arc<Executor>, node: NodeId) -> Ports {
        let Some(bug) = self.bug else { return ports };
        let place = Place { executor: Arc::clone(executor), node };
        ports.orders = Arc::new(orders::BuggyOrders::new(ports.orders, bug, place));
        ports.ledger = Arc::new(stock::BuggyLedger { inner: ports.ledger, bug });
        ports.bus = Arc::new(messages::BuggyBus { inner: ports.bus, bug });
        ports.outbox = Arc::new(messages::BuggyOutbox { inner: ports.outbox, bug });
        ports.payments = Arc::new(messages::BuggyPayments { inner: ports.payments, bug });
        ports.shipments = Arc::new(messages::BuggyShipments { inner: ports.shipments, bug });
        ports.id_marks = Arc::new(ids::BuggyMarks { inner: ports.id_marks, bug });
        ports
    }
}
