//! doos-gateway
