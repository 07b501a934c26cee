//! doos-node
