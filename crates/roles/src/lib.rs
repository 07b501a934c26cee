//! doos-roles
