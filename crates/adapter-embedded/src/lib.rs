//! doos-adapter-embedded
