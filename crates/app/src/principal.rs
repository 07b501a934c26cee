//! Who is calling, and what that allows.
//!
//! A customer acts for itself; a service may act for the user it names; an operator may see all and act on any order.
//! The demo principal exists in profile dev on loopback only: it may act for the user it names and read everything.
//! Ownership comes from the principal, never from a request body.

use doos_domain::actor::Actor;
use doos_domain::ids::UserId;
use doos_domain::order::Order;

use crate::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    Customer(UserId),
    Service(String),
    Operator(String),
    Demo,
}

impl Principal {
    /// The user a call acts for: the one named, if this principal may act for it.
    pub fn acting_for(&self, named: Option<UserId>) -> Result<UserId> {
        match (self, named) {
            (Self::Customer(own), None) => Ok(*own),
            (Self::Customer(own), Some(user)) if user == *own => Ok(user),
            (Self::Customer(_), Some(_)) => Err(Error::Forbidden("a customer acts only for itself")),
            (_, Some(user)) => Ok(user),
            (_, None) => Err(Error::InvalidUser("name the user in `user_id`".to_owned())),
        }
    }

    /// Not yours and absent are the same answer.
    pub fn check_sees(&self, order: &Order) -> Result<()> {
        match self {
            Self::Customer(own) if order.user_id != *own => Err(Error::NotFound("order")),
            _ => Ok(()),
        }
    }

    pub const fn sees_all(&self) -> bool {
        !matches!(self, Self::Customer(_))
    }

    pub const fn is_operator(&self) -> bool {
        matches!(self, Self::Operator(_))
    }

    pub const fn check_operator(&self) -> Result<()> {
        if self.is_operator() { Ok(()) } else { Err(Error::Forbidden("this needs an operator's token")) }
    }

    /// For the console's readers: operators, and the demo principal, which may read everything.
    pub const fn check_operator_or_demo(&self) -> Result<()> {
        match self {
            Self::Operator(_) | Self::Demo => Ok(()),
            _ => Err(Error::Forbidden("this needs an operator's token")),
        }
    }

    /// For what is about everybody's orders.
    pub const fn check_sees_all(&self) -> Result<()> {
        if self.sees_all() { Ok(()) } else { Err(Error::Forbidden("a customer sees only its own orders")) }
    }

    /// For what a shop's back office may do: operators and services.
    pub const fn check_back_office(&self) -> Result<()> {
        match self {
            Self::Operator(_) | Self::Service(_) => Ok(()),
            _ => Err(Error::Forbidden("this needs an operator's or a service's token")),
        }
    }

    /// How the caller appears in histories when it acts on an order of `owner`.
    pub fn actor(&self, owner: UserId) -> Actor {
        match self {
            Self::Customer(own) => Actor::Customer(*own),
            // It acts in the place of the user it names.
            Self::Demo => Actor::Customer(owner),
            Self::Service(name) => Actor::Service(name.clone()),
            Self::Operator(name) => Actor::Operator(name.clone()),
        }
    }

    /// Whose idempotency keys it uses when no user is acted for.
    pub fn scope(&self) -> String {
        match self {
            Self::Customer(own) => own.to_string(),
            Self::Service(name) => format!("service:{name}"),
            Self::Operator(name) => format!("operator:{name}"),
            Self::Demo => "demo".to_owned(),
        }
    }
}
