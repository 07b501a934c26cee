//! Notes on the board of the application how each run of a role ended, for whoever looks after it.

use async_trait::async_trait;
use doos_app::App;
use doos_domain::time::Timestamp;
use std::sync::Arc;

use crate::{Ran, Role};

pub(crate) struct Watched {
    app: Arc<App>,
    role: Box<dyn Role>,
}

impl Watched {
    pub(crate) fn new(app: Arc<App>, role: Box<dyn Role>) -> Self {
        app.roles.begins(role.name(), app.ports.clock.now());
        Self { app, role }
    }
}

#[async_trait]
impl Role for Watched {
    fn name(&self) -> &'static str {
        self.role.name()
    }

    async fn run_once(&mut self, now: Timestamp) -> doos_app::Result<Ran> {
        let ran = self.role.run_once(now).await;
        self.app.roles.ran(self.role.name(), self.app.ports.clock.now(), ran.as_ref().err());
        ran
    }

    async fn ready(&mut self) {
        self.role.ready().await;
    }
}
