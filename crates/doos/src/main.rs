//! doos
fn main() {}
