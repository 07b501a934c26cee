//! What etcd's errors mean to those who use the registry: was it done, was it not, or does nobody know?

use doos_ports::registry;
use std::error::Error as _;
use tonic::{Code, Status};

pub(crate) const ENGINE: &str = "the registry";

/// Why a call brought no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It did not get there: nothing was done.
    #[error("{0}")]
    Away(String),
    /// It may have been done.
    #[error("{0}")]
    Silent(String),
    /// etcd has refused it.
    #[error("{0}")]
    Refused(String),
    /// The token of the user is not valid any more; nothing was done.
    #[error("{0}")]
    Token(String),
    /// The lease that was named does not exist any more; nothing was done.
    #[error("the lease has ended")]
    LeaseEnded,
}

impl Failure {
    pub fn of(status: &Status) -> Self {
        let cause = chain(status);
        match status.code() {
            Code::Unauthenticated => Self::Token(cause),
            Code::NotFound if status.message().contains("lease not found") => Self::LeaseEnded,
            // "No leader" is said before anything is proposed.
            Code::Unavailable if status.message().contains("no leader") || never_connected(status) => Self::Away(cause),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Internal => {
                Self::Silent(cause)
            }
            _ => Self::Refused(cause),
        }
    }

    pub fn closed() -> Self {
        Self::Away("it is closed".to_owned())
    }

    /// For those who have changed nothing, or nothing that does not mend itself.
    pub fn unavailable(&self) -> doos_ports::Error {
        doos_ports::Error::Unavailable { engine: ENGINE, cause: self.to_string() }
    }

    /// For those who wrote.
    pub fn of_a_write(self) -> doos_ports::Error {
        match self {
            Self::Silent(cause) => doos_ports::Error::Unknown { engine: ENGINE, cause },
            known => known.unavailable(),
        }
    }
}

fn never_connected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        if error.downcast_ref().is_some_and(refused) {
            return true;
        }
        source = error.source();
    }
    false
}

/// etcd's own words, and below them what lay beneath.
fn chain(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text = if text.is_empty() { said } else { format!("{text}: {said}") };
        }
        source = error.source();
    }
    text
}

pub(crate) fn wrong_options(cause: String) -> registry::Error {
    doos_ports::Error::Broken { engine: ENGINE, cause }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_may_have_happened_is_unknown() {
        for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Unknown, Code::Internal, Code::Cancelled] {
            let failure = Failure::of(&Status::new(code, "etcdserver: request timed out"));
            assert!(!failure.of_a_write().outcome_is_known(), "{code:?}");
        }
    }

    #[test]
    fn what_was_never_proposed_is_known() {
        for (code, said) in [
            (Code::Unavailable, "etcdserver: no leader"),
            (Code::Unauthenticated, "etcdserver: invalid auth token"),
            (Code::NotFound, "etcdserver: requested lease not found"),
            (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded"),
            (Code::PermissionDenied, "etcdserver: permission denied"),
        ] {
            assert!(Failure::of(&Status::new(code, said)).of_a_write().outcome_is_known(), "{said}");
        }
    }
}
