//! What the node hands to the gateway besides the application: secrets, checks, numbers to show.
//!
//! The gateway knows no engine and no role; what it must show of them comes in as closures.

use doos_ports::rate_limits::SharedLimits;
use futures::future::BoxFuture;
use secrecy::SecretString;
use std::sync::Arc;

use crate::view::audit::{AuditView, RepairView};

/// Keys of this installation. Their bytes are used as they stand.
#[derive(Clone)]
pub struct Secrets {
    /// Signs and checks bearer tokens (HMAC-SHA-256).
    pub token_key: SecretString,
    /// Signs and checks the payment provider's callbacks (HMAC-SHA-256).
    pub callback_key: SecretString,
}

/// What is asked of a repair of the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairCall {
    /// Written into every entry.
    pub actor: String,
    /// False: only tell what would be done.
    pub confirm: bool,
}

/// One number for `/metrics`.
#[derive(Clone, Debug)]
pub struct GaugeSample {
    pub name: String,
    pub help: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

pub type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;
pub type Gauges = Arc<dyn Fn() -> BoxFuture<'static, Vec<GaugeSample>> + Send + Sync>;
pub type Audit = Arc<dyn Fn() -> BoxFuture<'static, Result<AuditView, String>> + Send + Sync>;
pub type Repair = Arc<dyn Fn(RepairCall) -> BoxFuture<'static, Result<RepairView, String>> + Send + Sync>;
/// Told of each request's span with the `traceparent` it arrived with; may return the one to hand on.
pub type SpanHook = Arc<dyn Fn(&tracing::Span, Option<&str>) -> Option<String> + Send + Sync>;
/// Which program this is.
#[derive(Clone, Debug, Default)]
pub struct Build {
    pub version: String,
    pub commit: String,
}

#[derive(Clone)]
pub struct Extra {
    /// Whether the node can do its work; the reason goes to the log and, in words, to `/readyz`.
    pub readiness: Check,
    /// Asked at each scrape.
    pub gauges: Gauges,
    /// Runs the audit of the books for `GET /v1/admin/audit`.
    pub audit: Audit,
    /// Makes the books balance beside running traffic, for `POST /v1/admin/audit:repair`.
    pub repair: Repair,
    /// The names of the roles that run in this node.
    pub roles: Vec<String>,
    pub span: Option<SpanHook>,
    /// Limits that all gateways share, behind this one's own.
    pub limits: Option<Arc<dyn SharedLimits>>,
    pub build: Build,
}

impl Default for Extra {
    /// Always ready, nothing more to show, no audit.
    fn default() -> Self {
        Self {
            readiness: Arc::new(|| Box::pin(async { Ok(()) })),
            gauges: Arc::new(|| Box::pin(async { Vec::new() })),
            audit: Arc::new(|| Box::pin(async { Err("this node runs no audit".to_owned()) })),
            repair: Arc::new(|_| Box::pin(async { Err("this node repairs no books".to_owned()) })),
            roles: Vec::new(),
            span: None,
            limits: None,
            build: Build { version: env!("CARGO_PKG_VERSION").to_owned(), commit: String::new() },
        }
    }
}
