//! What every request can reach: the application, the limits, the keys, the numbers.
//!
//! What holds: it is built once and shared; who may come in is decided here, the same way for REST and gRPC.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use doos_app::{App, Principal};
use secrecy::SecretString;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Authenticator;
use crate::extra::Extra;
use crate::finish::Finishing;
use crate::limits::Limits;
use crate::live::Hub;
use crate::metrics::Metrics;
use crate::network::client_address;
use crate::options::{Options, Profile};
use crate::problem::{Problem, Result};
use doos_app::identity::UnknownNames;

pub struct State {
    pub app: Arc<App>,
    pub options: Options,
    pub extra: Extra,
    pub callback_key: SecretString,
    pub auth: Authenticator,
    pub limits: Arc<Limits>,
    pub metrics: Metrics,
    pub hub: Arc<Hub>,
    /// Every task the gateway starts; the drain waits for them.
    pub tasks: TaskTracker,
    /// Set when the gateway is to stop; every stream watches it.
    pub stop: CancellationToken,
    /// Set a moment after that: requests that have not arrived whole are given up.
    pub overdue: CancellationToken,
}

/// One request, as far as it concerns more than its handler.
#[derive(Debug)]
pub struct Scope {
    /// What goes with the calls that this request makes.
    pub traceparent: String,
    pub peer: IpAddr,
    /// A call without a token may be the demo principal's.
    pub is_local: bool,
    /// Calls left in the caller's bucket.
    pub rate_left: OnceLock<u32>,
}

/// Who is calling, let in.
#[derive(Clone, Debug)]
pub struct Caller(pub Principal);

impl State {
    /// Authenticates and admits a call. `mutating` calls are refused while too much is waiting.
    pub async fn admit(&self, headers: &HeaderMap, uri: &Uri, scope: &Scope, mutating: bool) -> Result<Principal> {
        self.limits.admit_any()?;
        let now = self.app.ports.clock.now();
        let principal = match self.auth.identify(headers, uri, scope.is_local, now) {
            Ok(principal) => principal,
            Err(refused) => {
                self.admit_stranger(headers, scope).await?;
                return Err(refused);
            }
        };
        if let Some(left) = self.limits.admit_principal(&principal)? {
            // Set once a request; there is only this place.
            let _ = scope.rate_left.set(left);
            self.limits.admit_principal_everywhere(&principal).await?;
        }
        if mutating {
            self.shed()?;
        }
        Ok(principal)
    }

    /// Calls that no token vouches for, counted by the address they come from.
    pub async fn admit_stranger(&self, headers: &HeaderMap, scope: &Scope) -> Result<()> {
        let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        self.limits.admit_address(client_address(scope.peer, forwarded, &self.options.trusted_proxies)).await
    }

    /// Refuses work while what is there already waits too long.
    pub fn shed(&self) -> Result<()> {
        let age_ms = self.app.queue_age_ms();
        if age_ms <= self.app.options.queue_age_max_ms {
            return Ok(());
        }
        self.metrics.shed.inc();
        let cause = format!("the group in flight is {age_ms} ms old");
        Err(Problem::from(doos_app::Error::Overloaded).because(cause))
    }

    /// What becomes of a log-in name that nobody has used before.
    pub const fn unknown_names(&self) -> UnknownNames {
        match self.options.profile {
            Profile::Dev => UnknownNames::Create,
            Profile::Prod => UnknownNames::Refuse,
        }
    }

    /// Runs a call to its end, so that a client that hangs up leaves nothing half done.
    pub async fn finish<T: Send + 'static>(
        &self,
        call: impl Future<Output = doos_app::Result<T>> + Send + 'static,
    ) -> Result<T> {
        match Finishing::new(call, self.tasks.clone()).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Problem::new("internal", "the call failed inside; what became of it is not known")
                .because("the call panicked")),
        }
    }
}

impl Scope {
    pub fn of(parts: &Parts) -> Result<&Arc<Self>> {
        let scope = parts.extensions.get::<Arc<Self>>();
        scope.ok_or_else(|| Problem::new("internal", "the request lost its scope"))
    }
}

impl FromRequestParts<Arc<State>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self> {
        let scope = Scope::of(parts)?;
        let mutating = !matches!(parts.method, Method::GET | Method::HEAD);
        state.admit(&parts.headers, &parts.uri, scope, mutating).await.map(Self)
    }
}

/// The `traceparent` to hand on with what this request causes.
pub struct Traceparent(pub String);

impl FromRequestParts<Arc<State>> for Traceparent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<State>) -> Result<Self> {
        Ok(Self(Scope::of(parts)?.traceparent.clone()))
    }
}
