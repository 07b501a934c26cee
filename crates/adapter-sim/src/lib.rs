//! doos-adapter-sim
