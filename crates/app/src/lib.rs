//! doos-app
