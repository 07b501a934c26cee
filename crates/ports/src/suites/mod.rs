//! The behaviour suites: what every engine of a port must do, written once and run against each of them.
