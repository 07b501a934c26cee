//! doos-adapter-standin
