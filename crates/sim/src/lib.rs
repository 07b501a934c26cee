//! doos-sim
