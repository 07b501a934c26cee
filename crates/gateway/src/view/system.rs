//! How a node is doing, for the console's system page.

use doos_app::role_board::RoleState;
use doos_app::system::{ConsumerState, System};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

use super::rfc3339;
use super::statistics::ProjectionView;
use crate::extra::GaugeSample;
use crate::options::Profile;
use crate::state::State;

/// How the node is doing.
#[derive(Serialize, ToSchema)]
#[schema(as = System)]
pub struct SystemView {
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    #[schema(example = "dev")]
    pub profile: &'static str,
    #[schema(format = DateTime)]
    pub as_of: String,
    /// When this process began.
    #[schema(format = DateTime)]
    pub started_at: String,
    pub roles: Vec<RoleView>,
    pub projections: Vec<ProjectionView>,
    pub queues: Vec<QueueView>,
    pub disk: DiskView,
    pub dead_letters: usize,
    /// Holds that wait for inventory's decision.
    pub holds: usize,
    /// Live streams open now.
    pub streams: i64,
    /// The node's own readings, as `/metrics` has them.
    pub readings: Vec<ReadingView>,
}

/// A role that this node runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
pub struct RoleView {
    pub name: String,
    /// Messages it has not settled; absent for roles that read none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Messages that wait for another try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<usize>,
    /// `working`, `failing`, or `unknown` before it has run.
    #[schema(example = "working")]
    pub state: &'static str,
    /// Since when it is in that state.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// Its last failure, also when it works again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureView>,
}

/// A failure of a role. It goes on trying.
#[derive(Serialize, ToSchema)]
#[schema(as = RoleFailure)]
pub struct FailureView {
    #[schema(format = DateTime)]
    pub at: String,
    #[schema(example = "unavailable")]
    pub code: &'static str,
    /// Told to operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
pub struct QueueView {
    pub name: &'static str,
    pub depth: usize,
    /// At which the next is refused.
    pub max: usize,
    /// How long the oldest in flight has been waiting.
    pub age_ms: u64,
}

/// How long groups of changes took to become durable: written and synced, here or at the database.
#[derive(Serialize, ToSchema)]
#[schema(as = Disk)]
pub struct DiskView {
    pub commit_ms_last: i64,
    pub commit_len_last: i64,
    /// So many of the last groups the percentiles are of.
    pub commits_measured: usize,
    pub commit_ms_p50: f64,
    pub commit_ms_p95: f64,
    pub commit_ms_p99: f64,
    pub commit_ms_max: f64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Reading)]
pub struct ReadingView {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl SystemView {
    /// `tells_causes`: whether the reader may know what is inside.
    pub fn of(system: &System, readings: Vec<GaugeSample>, state: &State, tells_causes: bool) -> Self {
        let role = |name: &String| {
            let consumer = system.consumers.iter().find(|it| it.consumer.name() == name);
            RoleView::of(name, consumer, state.app.roles.find(name), tells_causes)
        };
        let orders = QueueView {
            name: "order_changes",
            depth: system.queue_depth,
            max: system.queue_max,
            age_ms: system.queue_age_ms,
        };
        let reading = |sample: GaugeSample| ReadingView {
            name: sample.name,
            labels: sample.labels.into_iter().collect(),
            value: sample.value,
        };
        Self {
            version: state.extra.build.version.clone(),
            commit: state.extra.build.commit.clone(),
            profile: match state.options.profile {
                Profile::Dev => "dev",
                Profile::Prod => "prod",
            },
            as_of: rfc3339(system.at),
            started_at: rfc3339(system.started_at),
            roles: state.extra.roles.iter().map(role).collect(),
            projections: system.projections.iter().map(ProjectionView::of).collect(),
            queues: vec![orders],
            disk: DiskView::of(system),
            dead_letters: system.dead_letters,
            holds: system.holds,
            streams: state.metrics.streams.count(),
            readings: readings.into_iter().map(reading).collect(),
        }
    }
}

impl RoleView {
    fn of(name: &str, consumer: Option<&ConsumerState>, state: Option<RoleState>, tells_causes: bool) -> Self {
        let failure = state.as_ref().and_then(|state| state.last_failure.as_ref());
        Self {
            name: name.to_owned(),
            lag: consumer.map(|it| it.lag),
            waiting: consumer.map(|it| it.waiting),
            state: match &state {
                Some(state) if state.is_failing => "failing",
                Some(_) => "working",
                None => "unknown",
            },
            since: state.as_ref().map(|state| rfc3339(state.since)),
            last_run: state.as_ref().and_then(|state| state.last_run).map(rfc3339),
            last_failure: failure.map(|failure| FailureView {
                at: rfc3339(failure.at),
                code: failure.code,
                cause: tells_causes.then(|| failure.cause.clone()),
            }),
        }
    }
}

impl DiskView {
    fn of(system: &System) -> Self {
        let ms = |time: Duration| time.as_micros() as f64 / 1_000.0;
        let times = &system.commit_times;
        Self {
            commit_ms_last: system.commit_ms_last,
            commit_len_last: system.commit_len_last,
            commits_measured: times.count,
            commit_ms_p50: ms(times.p50),
            commit_ms_p95: ms(times.p95),
            commit_ms_p99: ms(times.p99),
            commit_ms_max: ms(times.max),
        }
    }
}
