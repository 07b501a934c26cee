//! How work that nobody waits for lets callers go first.
//!
//! What holds: while callers wait for each other a role works a tenth of the time, and half of it once it is late;
//! otherwise it never pauses. A pause has an end, whatever the callers do.

use doos_app::App;
use std::time::Duration;

/// Pauses are as long as the work before them times this.
const WHILE_EARLY: u32 = 9;
const WHILE_LATE: u32 = 1;

/// Pauses after work that took so long, if callers wait for each other just now.
pub(crate) async fn give_way(app: &App, took: Duration, is_late: bool, pause_max: Duration) {
    if app.is_pressed() {
        let times = if is_late { WHILE_LATE } else { WHILE_EARLY };
        app.ports.clock.sleep((took * times).min(pause_max)).await;
    }
}
