//! What a caller can be told when something was not done.
//!
//! Each error answers three questions: its stable [`code`](Error::code), whether the same call may be
//! [tried again](Error::is_worth_a_retry), and whose [fault](Error::fault) it is. The message is a sentence for the
//! caller; the cause behind it is for the log, once, where the error is turned into a reply.

use doos_domain::ids::{OrderId, ProductId};
use doos_domain::{catalog, order, pricing};
use doos_ports::stock_gate::ShortLine;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("there is no such {0} here")]
    NotFound(&'static str),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    InvalidUser(String),
    #[error("there is no user named `{0}`")]
    UnknownName(String),
    #[error("coupon `{0}` does not exist")]
    UnknownCoupon(String),
    #[error("not enough stock for {} of the products", .0.len())]
    OutOfStock(Vec<ShortLine>),
    #[error("product {0} does not exist or is not on sale")]
    UnknownProduct(ProductId),
    #[error("{0}")]
    PriceChanged(String),
    #[error("product {0} was changed meanwhile; read it again")]
    ProductConflict(ProductId),
    #[error("less stock is free than should be written off")]
    NotEnoughFree,
    #[error("{0}")]
    IllegalMove(String),
    #[error("the order is paid already")]
    AlreadyPaid,
    #[error("the last attempt to pay is being closed; try again in a moment")]
    PaymentClosing,
    #[error("the callback was rejected: {0}")]
    CallbackRejected(&'static str),
    #[error("an idempotency key has 1 to 255 visible ASCII characters")]
    KeyInvalid,
    #[error("this idempotency key was used for another request")]
    KeyReused,
    #[error("a call with this idempotency key is in progress")]
    InProgress,
    /// It may have been done; the same key will tell.
    #[error("it is not known yet whether this was done; repeat the call with the same idempotency key")]
    OutcomeUnknown { order_id: Option<OrderId> },
    #[error("too much is waiting already; try again in a moment")]
    Overloaded,
    #[error("a part that this needs is away; try again in a moment")]
    Unavailable { cause: String },
    #[error("the store holds something that cannot be right")]
    Broken { cause: String },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Caller,
    Ours,
    Dependency,
}

impl Error {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::Forbidden(_) => "forbidden",
            Self::Invalid(_) => "invalid_request",
            Self::InvalidUser(_) => "user_invalid",
            Self::UnknownName(_) => "name_unknown",
            Self::UnknownCoupon(_) => "coupon_unknown",
            Self::OutOfStock(_) => "out_of_stock",
            Self::UnknownProduct(_) => "product_unknown",
            Self::PriceChanged(_) => "price_changed",
            Self::ProductConflict(_) => "product_conflict",
            Self::NotEnoughFree => "not_enough_free",
            Self::IllegalMove(_) => "illegal_move",
            Self::AlreadyPaid => "already_paid",
            Self::PaymentClosing => "payment_closing",
            Self::CallbackRejected(_) => "callback_rejected",
            Self::KeyInvalid => "idempotency_key_invalid",
            Self::KeyReused => "idempotency_key_reused",
            Self::InProgress => "in_progress",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::Overloaded => "overloaded",
            Self::Unavailable { .. } => "unavailable",
            Self::Broken { .. } => "broken_store",
        }
    }

    pub const fn fault(&self) -> Fault {
        match self {
            Self::Broken { .. } => Fault::Ours,
            Self::OutcomeUnknown { .. } | Self::Overloaded | Self::Unavailable { .. } => Fault::Dependency,
            _ => Fault::Caller,
        }
    }

    pub const fn is_worth_a_retry(&self) -> bool {
        matches!(
            self,
            Self::InProgress
                | Self::OutcomeUnknown { .. }
                | Self::Overloaded
                | Self::Unavailable { .. }
                | Self::PaymentClosing
        )
    }

    /// What the log should know and the caller should not.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Unavailable { cause } | Self::Broken { cause } => Some(cause),
            _ => None,
        }
    }
}

impl From<doos_ports::Error> for Error {
    fn from(error: doos_ports::Error) -> Self {
        let cause = error.to_string();
        match error {
            doos_ports::Error::Busy { .. } => Self::Overloaded,
            doos_ports::Error::Unavailable { .. } => Self::Unavailable { cause },
            doos_ports::Error::Unknown { .. } => Self::OutcomeUnknown { order_id: None },
            doos_ports::Error::Broken { .. } => Self::Broken { cause },
        }
    }
}

impl From<order::Refusal> for Error {
    fn from(refusal: order::Refusal) -> Self {
        match refusal {
            order::Refusal::AlreadyPaid => Self::AlreadyPaid,
            order::Refusal::AttemptClosing => Self::PaymentClosing,
            order::Refusal::OperatorOnly { .. } => {
                Self::Forbidden("only an operator may call a parcel back, or take its goods in")
            }
            order::Refusal::IllegalMove { .. } | order::Refusal::TooManyAttempts | order::Refusal::ReturnWindowOver => {
                Self::IllegalMove(refusal.to_string())
            }
        }
    }
}

impl From<pricing::Refusal> for Error {
    fn from(refusal: pricing::Refusal) -> Self {
        match refusal {
            pricing::Refusal::UnknownProduct(product) => Self::UnknownProduct(product),
            pricing::Refusal::PriceChanged { .. } => Self::PriceChanged(refusal.to_string()),
            _ => Self::Invalid(refusal.to_string()),
        }
    }
}

impl From<catalog::Invalid> for Error {
    fn from(invalid: catalog::Invalid) -> Self {
        Self::Invalid(invalid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_codes;

    #[test]
    fn every_error_has_a_code_that_is_listed() {
        let errors = [
            Error::NotFound("order"),
            Error::Forbidden(""),
            Error::Invalid(String::new()),
            Error::InvalidUser(String::new()),
            Error::UnknownName(String::new()),
            Error::UnknownCoupon(String::new()),
            Error::OutOfStock(Vec::new()),
            Error::PriceChanged(String::new()),
            Error::NotEnoughFree,
            Error::IllegalMove(String::new()),
            Error::AlreadyPaid,
            Error::PaymentClosing,
            Error::CallbackRejected(""),
            Error::KeyInvalid,
            Error::KeyReused,
            Error::InProgress,
            Error::OutcomeUnknown { order_id: None },
            Error::Overloaded,
            Error::Unavailable { cause: String::new() },
            Error::Broken { cause: String::new() },
        ];
        for error in errors {
            let (status, _) = error_codes::find(error.code()).unwrap();
            let caller = error.fault() == Fault::Caller;
            assert_eq!(caller, status < 500, "{}", error.code());
        }
    }

    #[test]
    fn the_codes_are_listed_once_and_in_order() {
        assert!(error_codes::ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
