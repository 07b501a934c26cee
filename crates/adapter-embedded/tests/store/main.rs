//! The store driven by hand, step by step, on a simulated disk or in a temporary directory.

mod crash;
mod equivalence;
mod promises;
mod shop;
